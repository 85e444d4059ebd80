#include "client/remote_call.h"
#include "client/remote_platform.h"
#include "client/wire.h"
#include "client/wire_frames.h"

namespace tercet {
namespace {

constexpr char kDeployments[] = "deployments";

json::value TimeOrNull(const std::optional<int64_t>& time_us) {
  return time_us ? json::value(*time_us) : json::value(nullptr);
}

}  // namespace

Result<Frame> RemotePlatform::Batch(const Ref& model, std::optional<int64_t> start_us,
                                    std::optional<int64_t> end_us, const Frame& spine,
                                    const Progress& progress) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  ARROW_RETURN_NOT_OK(flight_->Exchange(
      {{"verb", "batch"},
       {"model", model.ToText()},
       {"start", TimeOrNull(start_us)},
       {"end", TimeOrNull(end_us)}},
      spine, progress,
      [&](const std::shared_ptr<arrow::RecordBatch>& batch, const json::object&) -> Status {
        if (batch != nullptr) batches.push_back(batch);
        return Status::OK();
      }));
  if (batches.empty()) return Status::IOError("the server broke off batch predictions");
  return arrow::Table::FromRecordBatches(batches[0]->schema(), batches);
}

Result<Deployment> RemotePlatform::Deploy(const std::string& name, const Ref& model) {
  return As<Deployment>(
      Call("POST", PathOf(kDeployments, name) + "/deploy", {{"model", model.ToText()}}));
}

Result<Deployment> RemotePlatform::Upgrade(const std::string& name, const Ref& model) {
  return As<Deployment>(
      Call("POST", PathOf(kDeployments, name) + "/upgrade", {{"model", model.ToText()}}));
}

Result<Deployment> RemotePlatform::Rollback(const std::string& name) {
  return As<Deployment>(Call("POST", PathOf(kDeployments, name) + "/rollback"));
}

Result<Deployment> RemotePlatform::Downgrade(const std::string& name, int64_t number) {
  return As<Deployment>(
      Call("POST", PathOf(kDeployments, name) + "/downgrade", {{"release", number}}));
}

Result<std::vector<PreflightCheck>> RemotePlatform::Preflight(const Ref& model) {
  return AsItems<PreflightCheck>(Call("GET", PathOf("models", model) + "/preflight"));
}

Result<Deployment> RemotePlatform::SetServingPolicy(const std::string& name,
                                                    const ServingPolicy& policy) {
  return As<Deployment>(Call("PUT", PathOf(kDeployments, name) + "/policy", policy.ToJson()));
}

Result<Deployment> RemotePlatform::ChangeServingPolicy(const std::string& name,
                                                       const json::object& changes) {
  return As<Deployment>(Call("PATCH", PathOf(kDeployments, name) + "/policy", changes));
}

Result<Deployment> RemotePlatform::SetTraffic(const std::string& name,
                                              const TrafficRequest& traffic) {
  return As<Deployment>(Call("PUT", PathOf(kDeployments, name) + "/traffic", ToJson(traffic)));
}

Result<json::array> RemotePlatform::DiffReleases(const std::string& name, int64_t before,
                                                 int64_t after) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        Call("GET", PathOf(kDeployments, name) + "/diff?before=" +
                                        std::to_string(before) +
                                        "&after=" + std::to_string(after)));
  return FindArray(answer, "items");
}

Result<ServingStatistics> RemotePlatform::GetServingStatistics(const std::string& name) {
  return As<ServingStatistics>(Call("GET", PathOf(kDeployments, name) + "/statistics"));
}

Result<Deployment> RemotePlatform::GetDeployment(const std::string& name) {
  return As<Deployment>(Call("GET", PathOf(kDeployments, name)));
}

Result<std::vector<Deployment>> RemotePlatform::ListDeployments() {
  return AsItems<Deployment>(Call("GET", "/api/v1/deployments"));
}

Status RemotePlatform::DropDeployment(const std::string& name) {
  return Call("DELETE", PathOf(kDeployments, name)).status();
}

Result<Release> RemotePlatform::GetRelease(const std::string& id) {
  return As<Release>(Call("GET", PathOf("releases", id)));
}

Result<DeploymentContract> RemotePlatform::Contract(const std::string& deployment) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        Call("GET", PathOf(kDeployments, deployment) + "/contract"));
  return DeploymentContractFromJson(answer);
}

Result<PredictData> RemotePlatform::Predict(const std::string& deployment,
                                            const std::shared_ptr<arrow::RecordBatch>& entities,
                                            const PredictRequest& request) {
  std::string path = PathOf(kDeployments, deployment) + "/predict";
  char separator = '?';
  if (request.event_time_us) {
    path += "?event_time=" + std::to_string(*request.event_time_us);
    separator = '&';
  }
  if (!request.request_id.empty()) {
    path += separator + std::string("request_id=") + EncodeUrl(request.request_id);
  }
  ARROW_ASSIGN_OR_RAISE(const std::string body, BatchToBytes(*entities));
  ARROW_ASSIGN_OR_RAISE(const std::string answer, CallArrow(path, body));
  return PredictDataFromBytes(answer);
}

}  // namespace tercet
