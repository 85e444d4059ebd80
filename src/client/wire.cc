#include "client/wire.h"

#include "base/short_text.h"
#include "base/time_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

json::value TimeOrNull(const std::optional<int64_t>& time_us) {
  return time_us ? json::value(*time_us) : json::value(nullptr);
}

json::value SchemaOrNull(const std::shared_ptr<arrow::Schema>& schema) {
  return schema == nullptr ? json::value(nullptr) : json::value(SchemaToJson(*schema));
}

Result<std::shared_ptr<arrow::Schema>> FindSchema(const json::object& object,
                                                  std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const json::array fields, FindArray(object, key));
  return SchemaFromJson(fields);
}

}  // namespace

Result<std::optional<int64_t>> FindTime(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_string()) {
    const json::string& text = value->as_string();
    Result<int64_t> time_us = ParseTime(std::string_view(text.data(), text.size()));
    if (!time_us.ok())
      return Explain(time_us.status(), std::string("member '") + std::string(key) + "'");
    return *time_us;
  }
  if (value->is_int64()) return value->as_int64();
  return Status::Invalid("member '", key,
                         "' must be a time, as ISO 8601 text or integer microseconds since the "
                         "epoch, not ",
                         ShortText(ToText(*value)));
}

json::object ToJson(const ReadRequest& request) {
  return {{"columns", ToJsonArray(request.columns)},
          {"version", OrNull(request.version)},
          {"as_of", TimeOrNull(request.as_of_us)},
          {"start", TimeOrNull(request.start_us)},
          {"end", TimeOrNull(request.end_us)}};
}

Result<ReadRequest> ReadRequestFromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("read request", object, {"columns", "version", "as_of", "start", "end"}));
  ReadRequest request;
  ARROW_ASSIGN_OR_RAISE(request.columns, FindStrings(object, "columns"));
  ARROW_ASSIGN_OR_RAISE(request.version, FindInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(request.as_of_us, FindTime(object, "as_of"));
  ARROW_ASSIGN_OR_RAISE(request.start_us, FindTime(object, "start"));
  ARROW_ASSIGN_OR_RAISE(request.end_us, FindTime(object, "end"));
  return request;
}

json::object ToJson(const InsertRequest& request) {
  return {{"mode", InsertModeName(request.mode)},
          {"idempotency_key", request.idempotency_key},
          {"wait_online", request.wait_online}};
}

Result<InsertRequest> InsertRequestFromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("insert request", object, {"mode", "idempotency_key", "wait_online"}));
  InsertRequest request;
  ARROW_ASSIGN_OR_RAISE(const auto mode, FindString(object, "mode"));
  if (mode) {
    ARROW_ASSIGN_OR_RAISE(request.mode, InsertModeFromName(*mode));
  }
  ARROW_ASSIGN_OR_RAISE(const auto key, FindString(object, "idempotency_key"));
  request.idempotency_key = key.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto wait, FindBool(object, "wait_online"));
  request.wait_online = wait.value_or(false);
  return request;
}

json::object ToJson(const TrainingDataRequest& request) {
  return {{"split", request.split.ToJson()},
          {"seed", request.seed},
          {"start", TimeOrNull(request.start_us)},
          {"end", TimeOrNull(request.end_us)},
          {"entity_times_us", json::array(request.entity_times_us.begin(),
                                          request.entity_times_us.end())},
          {"known_at", request.known_at}};
}

Result<TrainingDataRequest> TrainingDataRequestFromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("training data request", object,
                   {"split", "seed", "start", "end", "entity_times_us", "known_at"}));
  TrainingDataRequest request;
  ARROW_ASSIGN_OR_RAISE(const json::object split, FindObject(object, "split"));
  if (!split.empty()) {
    ARROW_ASSIGN_OR_RAISE(request.split, SplitDefinition::FromJson(split));
  }
  ARROW_ASSIGN_OR_RAISE(const auto seed, FindInt(object, "seed"));
  request.seed = seed.value_or(0);
  ARROW_ASSIGN_OR_RAISE(request.start_us, FindTime(object, "start"));
  ARROW_ASSIGN_OR_RAISE(request.end_us, FindTime(object, "end"));
  ARROW_ASSIGN_OR_RAISE(const json::array times, FindArray(object, "entity_times_us"));
  for (const json::value& time : times) {
    if (!time.is_int64()) {
      return Status::Invalid("member 'entity_times_us' must be microseconds since 1970, not ",
                             ShortText(ToText(time)));
    }
    request.entity_times_us.push_back(time.as_int64());
  }
  ARROW_ASSIGN_OR_RAISE(const auto known_at, FindBool(object, "known_at"));
  request.known_at = known_at.value_or(false);
  return request;
}

json::object ToJson(const VectorContract& contract) {
  return {{"entities", SchemaOrNull(contract.entities)},
          {"optional", SchemaOrNull(contract.optional)},
          {"features", SchemaOrNull(contract.features)}};
}

Result<VectorContract> VectorContractFromJson(const json::object& object) {
  VectorContract contract;
  ARROW_ASSIGN_OR_RAISE(contract.entities, FindSchema(object, "entities"));
  ARROW_ASSIGN_OR_RAISE(contract.optional, FindSchema(object, "optional"));
  ARROW_ASSIGN_OR_RAISE(contract.features, FindSchema(object, "features"));
  return contract;
}

json::object ToJson(const DeploymentContract& contract) {
  return {{"entities", SchemaOrNull(contract.entities)},
          {"optional", SchemaOrNull(contract.optional)},
          {"outputs", SchemaOrNull(contract.outputs)},
          {"release_id", contract.release_id},
          {"release_number", contract.release_number},
          {"python_features", ToJsonArray(contract.python_features)}};
}

Result<DeploymentContract> DeploymentContractFromJson(const json::object& object) {
  DeploymentContract contract;
  ARROW_ASSIGN_OR_RAISE(contract.entities, FindSchema(object, "entities"));
  ARROW_ASSIGN_OR_RAISE(contract.optional, FindSchema(object, "optional"));
  ARROW_ASSIGN_OR_RAISE(contract.outputs, FindSchema(object, "outputs"));
  ARROW_ASSIGN_OR_RAISE(contract.release_id, GetString(object, "release_id"));
  ARROW_ASSIGN_OR_RAISE(contract.release_number, GetInt(object, "release_number"));
  ARROW_ASSIGN_OR_RAISE(contract.python_features, FindStrings(object, "python_features"));
  return contract;
}

json::object ToJson(const TrafficRequest& traffic) {
  json::array arms;
  for (const TrafficRequest::Arm& arm : traffic.arms) {
    arms.push_back(json::object{
        {"model", arm.model.ToText()}, {"percent", arm.percent}, {"shadow", arm.shadow}});
  }
  return {{"arms", std::move(arms)}, {"sticky_key", traffic.sticky_key}};
}

Result<TrafficRequest> TrafficRequestFromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("traffic", object, {"arms", "sticky_key"}));
  TrafficRequest traffic;
  ARROW_ASSIGN_OR_RAISE(const auto key, FindString(object, "sticky_key"));
  traffic.sticky_key = key.value_or("");
  ARROW_ASSIGN_OR_RAISE(const auto arms, FindObjects(object, "arms"));
  for (const json::object& item : arms) {
    ARROW_RETURN_NOT_OK(CheckMembers("a traffic arm", item, {"model", "percent", "shadow"}));
    TrafficRequest::Arm arm;
    ARROW_ASSIGN_OR_RAISE(const std::string model, GetString(item, "model"));
    ARROW_ASSIGN_OR_RAISE(arm.model, Ref::Parse(model));
    ARROW_ASSIGN_OR_RAISE(const auto percent, FindDouble(item, "percent"));
    arm.percent = percent.value_or(0);
    ARROW_ASSIGN_OR_RAISE(const auto shadow, FindBool(item, "shadow"));
    arm.shadow = shadow.value_or(false);
    traffic.arms.push_back(std::move(arm));
  }
  return traffic;
}

json::object ServerDescription::ToJson() const {
  return {
      {"name", "tercet"}, {"version", version}, {"project", project}, {"flight_port", flight_port}};
}

Result<ServerDescription> ServerDescription::FromJson(const json::object& object) {
  ServerDescription description;
  ARROW_ASSIGN_OR_RAISE(description.version, GetString(object, "version"));
  ARROW_ASSIGN_OR_RAISE(description.project, GetString(object, "project"));
  ARROW_ASSIGN_OR_RAISE(description.flight_port, GetInt(object, "flight_port"));
  return description;
}

}  // namespace tercet
