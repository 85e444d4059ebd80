#include "platform/schedule_manifest.h"

#include <algorithm>
#include <cctype>

namespace tercet {
namespace {

constexpr int64_t kMostGpus = 64;

/// RFC 1123's label, which names of Kubernetes are.
bool IsLabel(const std::string& name) {
  const auto plain = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || std::isdigit(c) != 0;
  };
  return !name.empty() && name.size() <= 63 && plain(name.front()) && plain(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '-'; });
}

/// GPUs are asked for as limits; requests are then the same.
json::object Resources(int64_t gpus, const ManifestPlaces& places) {
  return {{"limits", json::object{{places.gpu, std::to_string(gpus)}}}};
}

}  // namespace

Result<json::object> DeploymentManifest(const Deployment& deployment,
                                        const ManifestPlaces& places) {
  if (!IsLabel(deployment.name)) {
    return Status::Invalid("deployment '", deployment.name, "' can't be a service of Kubernetes, ",
                           "whose names are small letters, digits and '-'; clients ask for the ",
                           "service by the deployment's name, so deploy it under such a name");
  }
  json::object model = {{"modelFormat", json::object{{"name", "tercet"}}},
                        {"runtime", "tercet"},
                        {"protocolVersion", "v2"}};
  if (deployment.policy.gpus > 0) model["resources"] = Resources(deployment.policy.gpus, places);
  // One process owns the online rows of a project on a volume.
  return json::object{
      {"apiVersion", "serving.kserve.io/v1beta1"},
      {"kind", "InferenceService"},
      {"metadata",
       json::object{{"name", deployment.name},
                    {"annotations",
                     json::object{{"serving.kserve.io/deploymentMode", "RawDeployment"}}}}},
      {"spec", json::object{{"predictor", json::object{{"minReplicas", 1},
                                                       {"maxReplicas", 1},
                                                       {"model", std::move(model)}}}}}};
}

Result<json::object> StepManifest(const std::string& name, const std::vector<std::string>& words,
                                  int64_t gpus, const ManifestPlaces& places) {
  if (words.empty()) return Status::Invalid("a step is a program and its arguments");
  if (gpus < 0 || gpus > kMostGpus) {
    return Status::Invalid("a step asks for ", gpus, " GPUs; it must be between 0 and ", kMostGpus);
  }
  std::string label;
  for (const char c : name) {
    label.push_back(c == '_' || c == '.' ? '-' : static_cast<char>(std::tolower(c)));
  }
  if (!IsLabel(label)) {
    return Status::Invalid("'", name, "' can't name a job of Kubernetes: small letters, digits ",
                           "and '-', at most 63; give the step another --name");
  }
  json::array command = {"tercet", "--project", "/srv/project", "run", "--name", name};
  for (const std::string& word : words) command.emplace_back(word);
  json::object container = {
      {"name", "step"},
      {"image", places.image},
      {"command", std::move(command)},
      {"volumeMounts", json::array{json::object{{"name", "project"},
                                                {"mountPath", "/srv/project"}}}}};
  if (gpus > 0) container["resources"] = Resources(gpus, places);
  const json::object volume = {
      {"name", "project"},
      {"persistentVolumeClaim", json::object{{"claimName", places.claim}}}};
  // A step is recorded as a run: doing it again is for whoever looks at that.
  return json::object{
      {"apiVersion", "batch/v1"},
      {"kind", "Job"},
      {"metadata", json::object{{"name", label}}},
      {"spec",
       json::object{
           {"backoffLimit", 0},
           {"template",
            json::object{{"spec", json::object{{"restartPolicy", "Never"},
                                               {"containers", json::array{std::move(container)}},
                                               {"volumes", json::array{volume}}}}}}}}};
}

}  // namespace tercet
