#include "client/remote_call.h"
#include "client/remote_platform.h"
#include "client/wire.h"
#include "client/wire_frames.h"

namespace tercet {

namespace {

constexpr char kGroups[] = "feature-groups";
constexpr char kViews[] = "feature-views";

}  // namespace

Result<FeatureGroupDefinition> RemotePlatform::DefineFeatureGroup(
    const FeatureGroupDefinition& definition) {
  return As<FeatureGroupDefinition>(Call("POST", "/api/v1/feature-groups", definition.ToJson()));
}

Result<FeatureGroupDefinition> RemotePlatform::GetFeatureGroup(const Ref& ref) {
  return As<FeatureGroupDefinition>(Call("GET", PathOf(kGroups, ref)));
}

Result<std::vector<FeatureGroupDefinition>> RemotePlatform::ListFeatureGroups() {
  return AsItems<FeatureGroupDefinition>(Call("GET", "/api/v1/feature-groups"));
}

Status RemotePlatform::DropFeatureGroup(const Ref& ref) {
  return Call("DELETE", PathOf(kGroups, ref)).status();
}

Result<Commit> RemotePlatform::Insert(const Ref& ref, const RecordBatchReader& rows,
                                      const InsertRequest& request) {
  json::object command = ToJson(request);
  command["verb"] = "insert";
  command["group"] = ref.ToText();
  return As<Commit>(flight_->Put(std::move(command), rows));
}

Result<Commit> RemotePlatform::Delete(const Ref& ref, const RecordBatchReader& keys,
                                      bool wait_online) {
  return As<Commit>(flight_->Put(
      {{"verb", "delete"}, {"group", ref.ToText()}, {"wait_online", wait_online}}, keys));
}

Result<RecordBatchReader> RemotePlatform::Read(const Ref& ref, const ReadRequest& request) {
  json::object command = ToJson(request);
  command["verb"] = "read";
  command["group"] = ref.ToText();
  return flight_->Get(command);
}

Result<std::vector<Commit>> RemotePlatform::Commits(const Ref& ref) {
  return AsItems<Commit>(Call("GET", PathOf(kGroups, ref) + "/commits"));
}

Result<RecordBatchReader> RemotePlatform::Changes(const Ref& ref, int64_t since, int64_t until) {
  return flight_->Get(
      {{"verb", "changes"}, {"group", ref.ToText()}, {"since", since}, {"until", until}});
}

Result<json::object> RemotePlatform::Statistics(const Ref& ref, const ReadRequest& request) {
  return Call("POST", PathOf(kGroups, ref) + "/statistics", ToJson(request));
}

Result<Commit> RemotePlatform::Compact(const Ref& ref) {
  return As<Commit>(Call("POST", PathOf(kGroups, ref) + "/compact"));
}

Result<FeatureGroupDefinition> RemotePlatform::AlterFeatureGroup(
    const Ref& ref, const FeatureGroupChange& change) {
  return As<FeatureGroupDefinition>(
      Call("POST", PathOf(kGroups, ref) + "/alter", change.ToJson()));
}

Result<VacuumReport> RemotePlatform::Vacuum(const Ref& ref, const VacuumRequest& request) {
  return As<VacuumReport>(Call("POST", PathOf(kGroups, ref) + "/vacuum", request.ToJson()));
}

Result<ErasureReport> RemotePlatform::Erase(const std::optional<Ref>& group,
                                            const RecordBatchReader& keys) {
  json::object command{{"verb", "erase"}};
  if (group) command["group"] = group->ToText();
  return As<ErasureReport>(flight_->Put(std::move(command), keys));
}

Result<int64_t> RemotePlatform::RebuildOnline(const Ref& ref, std::optional<int64_t> version) {
  json::object body;
  if (version) body["version"] = *version;
  ARROW_ASSIGN_OR_RAISE(const json::object answer,
                        Call("POST", PathOf("feature-groups", ref) + "/rebuild-online", body));
  return GetInt(answer, "version");
}

Result<json::object> RemotePlatform::DescribeFeatureGroup(const Ref& ref) {
  return Call("GET", PathOf(kGroups, ref) + "/description");
}

Result<FeatureViewDefinition> RemotePlatform::DefineFeatureView(
    const FeatureViewDefinition& definition) {
  return As<FeatureViewDefinition>(Call("POST", "/api/v1/feature-views", definition.ToJson()));
}

Result<FeatureViewDefinition> RemotePlatform::GetFeatureView(const Ref& ref) {
  return As<FeatureViewDefinition>(Call("GET", PathOf(kViews, ref)));
}

Result<std::vector<FeatureViewDefinition>> RemotePlatform::ListFeatureViews() {
  return AsItems<FeatureViewDefinition>(Call("GET", "/api/v1/feature-views"));
}

Status RemotePlatform::DropFeatureView(const Ref& ref) {
  return Call("DELETE", PathOf(kViews, ref)).status();
}

Result<VectorContract> RemotePlatform::ContractOfView(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const json::object answer, Call("GET", PathOf(kViews, ref) + "/contract"));
  return VectorContractFromJson(answer);
}

Result<VectorData> RemotePlatform::Vectors(const Ref& view, const VectorRequest& request) {
  std::string path = PathOf(kViews, view) + "/vectors";
  char separator = '?';
  const auto add = [&](std::string_view name, const std::optional<int64_t>& value) {
    if (!value) return;
    path += separator;
    path.append(name).append("=").append(std::to_string(*value));
    separator = '&';
  };
  add("event_time", request.event_time_us);
  add("training_dataset_version", request.training_dataset_version);
  ARROW_ASSIGN_OR_RAISE(const std::string body, BatchToBytes(*request.entities));
  ARROW_ASSIGN_OR_RAISE(const std::string answer, CallArrow(path, body));
  return VectorDataFromBytes(answer);
}

}  // namespace tercet
