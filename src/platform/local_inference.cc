#include <algorithm>

#include "inference/model_registration.h"
#include "platform/local_platform.h"

namespace tercet {

Result<ModelDefinition> LocalPlatform::RegisterModel(const ModelDefinition& definition,
                                                     const ModelFiles& files) {
  if (definition.format == ModelFormat::kPython && !options_.allow_predictor_code) {
    return Status::NotImplemented("model '", definition.name,
                                  "' brings Python code, which this server does not run; start it "
                                  "with --allow-predictor-code to allow it");
  }
  return tercet::RegisterModel(&registry_, catalog_.get(), definition, files, predictor_options());
}

Result<ModelDefinition> LocalPlatform::GetModel(const Ref& ref) { return registry_.GetModel(ref); }

Result<std::vector<ModelDefinition>> LocalPlatform::ListModels() { return registry_.ListModels(); }

Result<ModelFiles> LocalPlatform::ReadModelFiles(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const ModelDefinition model, registry_.GetModel(ref));
  ARROW_ASSIGN_OR_RAISE(const std::string directory, registry_.ModelDirectory(model.ref()));
  ModelFiles files;
  for (const auto& [path, sha256] : model.files) {
    ARROW_ASSIGN_OR_RAISE(files[path], LocalFileSystem()->ReadFile(JoinPath(directory, path)));
  }
  return files;
}

Status LocalPlatform::DropModel(const Ref& ref) { return registry_.DropModel(ref); }

Result<Frame> LocalPlatform::Batch(const Ref& model, std::optional<int64_t> start_us,
                                   std::optional<int64_t> end_us, const Frame& spine,
                                   const Progress& progress) {
  return inference_->Batch(model, {.start_us = start_us,
                                   .end_us = end_us,
                                   .spine = spine,
                                   .memory_limit_bytes = options_.memory_limit_bytes,
                                   .progress = progress});
}

Result<std::vector<PreflightCheck>> LocalPlatform::Preflight(const Ref& model) {
  return inference_->Preflight(model);
}

Result<Release> LocalPlatform::CheckedRelease(const Ref& model) {
  ARROW_ASSIGN_OR_RAISE(const auto checks, inference_->Preflight(model));
  for (const PreflightCheck& check : checks) {
    if (check.passed || !check.blocking) continue;
    return Status::Invalid("model '", model.ToText(), "' can't be deployed: its check '",
                           check.name, "' failed: ", check.detail);
  }
  return inference_->MakeRelease(model);
}

Result<Deployment> LocalPlatform::Deploy(const std::string& name, const Ref& model) {
  ARROW_ASSIGN_OR_RAISE(const Release release, CheckedRelease(model));
  return registry_.Deploy(name, release, user());
}

Result<Deployment> LocalPlatform::Upgrade(const std::string& name, const Ref& model) {
  ARROW_ASSIGN_OR_RAISE(const Release release, CheckedRelease(model));
  return registry_.Upgrade(name, release, user());
}

Result<Deployment> LocalPlatform::Rollback(const std::string& name) {
  return registry_.Rollback(name, user());
}

Result<Deployment> LocalPlatform::Downgrade(const std::string& name, int64_t number) {
  ARROW_ASSIGN_OR_RAISE(const Release release, ReleaseOf(name, number));
  // Ready before it is asked, and proved to load.
  ARROW_RETURN_NOT_OK(inference_->WarmUp(release));
  return registry_.Downgrade(name, number, user());
}

Result<Release> LocalPlatform::ReleaseOf(const std::string& name, int64_t number) {
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment, registry_.GetDeployment(name));
  int64_t newest = 0;
  for (const Deployment::Switch& item : deployment.history) {
    if (item.number == number) return registry_.GetRelease(item.release_id);
    newest = std::max(newest, item.number);
  }
  return Status::KeyError("deployment '", name, "' has no release ", number,
                          "; its releases are 1 to ", newest);
}

Result<Deployment> LocalPlatform::SetServingPolicy(const std::string& name,
                                                   const ServingPolicy& policy) {
  return registry_.SetPolicy(name, policy);
}

Result<Deployment> LocalPlatform::SetTraffic(const std::string& name,
                                             const TrafficRequest& traffic) {
  std::vector<std::pair<Release, TrafficArm>> arms;
  for (const TrafficRequest::Arm& arm : traffic.arms) {
    ARROW_ASSIGN_OR_RAISE(const Release release, CheckedRelease(arm.model));
    arms.emplace_back(release, TrafficArm{.percent = arm.percent, .shadow = arm.shadow});
  }
  return registry_.SetTraffic(name, arms, traffic.sticky_key, user());
}

Result<json::array> LocalPlatform::DiffReleases(const std::string& name, int64_t before,
                                                int64_t after) {
  ARROW_ASSIGN_OR_RAISE(const Release first, ReleaseOf(name, before));
  ARROW_ASSIGN_OR_RAISE(const Release second, ReleaseOf(name, after));
  return DiffOf(first, second);
}

Result<ServingStatistics> LocalPlatform::GetServingStatistics(const std::string& name) {
  return inference_->Statistics(name);
}

Result<Deployment> LocalPlatform::GetDeployment(const std::string& name) {
  return registry_.GetDeployment(name);
}

Result<std::vector<Deployment>> LocalPlatform::ListDeployments() {
  return registry_.ListDeployments();
}

Status LocalPlatform::DropDeployment(const std::string& name) {
  return registry_.DropDeployment(name);
}

Result<Release> LocalPlatform::GetRelease(const std::string& id) {
  return registry_.GetRelease(id);
}

Result<DeploymentContract> LocalPlatform::Contract(const std::string& deployment) {
  ARROW_ASSIGN_OR_RAISE(const Inference::Contract contract, inference_->ContractOf(deployment));
  return DeploymentContract{.entities = contract.entities,
                            .optional = contract.optional,
                            .outputs = contract.outputs,
                            .release_id = contract.release_id,
                            .release_number = contract.release_number};
}

Result<PredictData> LocalPlatform::Predict(const std::string& deployment,
                                           const std::shared_ptr<arrow::RecordBatch>& entities,
                                           std::optional<int64_t> event_time_us) {
  ARROW_ASSIGN_OR_RAISE(Prediction prediction,
                        inference_->Predict(deployment, entities, event_time_us));
  return PredictData{.outputs = std::move(prediction.outputs),
                     .missing = std::move(prediction.missing),
                     .release_id = std::move(prediction.release_id),
                     .release_number = prediction.release_number};
}

}  // namespace tercet
