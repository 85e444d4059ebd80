#include "server/deployment_schema.h"

#include <arrow/type_traits.h>

namespace tercet {
namespace {

/// The JSON of a value, as json_rows.h reads and writes it.
json::object TypeSchema(const arrow::DataType& type) {
  const auto typed = [](const char* name) {
    return json::object{{"type", json::array{name, "null"}}};
  };
  switch (type.id()) {
    case arrow::Type::BOOL:
      return typed("boolean");
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST: {
      json::object list = typed("array");
      list["items"] = TypeSchema(*type.field(0)->type());
      return list;
    }
    case arrow::Type::MAP: {
      json::object map = typed("object");
      map["additionalProperties"] =
          TypeSchema(*static_cast<const arrow::MapType&>(type).item_type());
      return map;
    }
    case arrow::Type::STRUCT: {
      json::object object = typed("object"), members;
      for (const auto& member : type.fields()) {
        members[member->name()] = TypeSchema(*member->type());
      }
      object["properties"] = std::move(members);
      object["additionalProperties"] = false;
      return object;
    }
    case arrow::Type::TIMESTAMP:
      return {{"description", "ISO 8601, or microseconds since the epoch"},
              {"type", json::array{"string", "integer", "null"}}};
    case arrow::Type::DATE32:
    case arrow::Type::DATE64: {
      json::object date = typed("string");
      date["format"] = "date";
      return date;
    }
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::DURATION:
      return typed("integer");
    default:
      break;
  }
  if (arrow::is_integer(type.id())) return typed("integer");
  if (arrow::is_floating(type.id())) {
    return {{"anyOf",
             json::array{typed("number"),
                         json::object{{"enum", {"NaN", "Infinity", "-Infinity"}}}}}};
  }
  json::object text = typed("string");
  if (arrow::is_decimal(type.id())) text["description"] = "a decimal number's digits";
  if (arrow::is_base_binary_like(type.id()) && !arrow::is_string(type.id())) {
    text["contentEncoding"] = "base64";
  }
  return text;
}

void AddProperties(const arrow::Schema& schema, json::object* properties) {
  for (const auto& field : schema.fields()) {
    (*properties)[field->name()] = TypeSchema(*field->type());
  }
}

json::object EntitySchema(const DeploymentContract& contract) {
  json::object properties;
  AddProperties(*contract.entities, &properties);
  AddProperties(*contract.optional, &properties);
  return {{"type", "object"},
          {"required", ToJsonArray(contract.entities->field_names())},
          {"properties", std::move(properties)},
          {"additionalProperties", false}};
}

json::object PredictionSchema(const DeploymentContract& contract) {
  json::object properties;
  AddProperties(*contract.outputs, &properties);
  return {{"type", "object"},
          {"required", ToJsonArray(contract.outputs->field_names())},
          {"properties", std::move(properties)}};
}

/// Whoever reads it learns what makes answers slow.
std::string DescriptionOf(const DeploymentContract& contract) {
  std::string text = "Release " + contract.release_id;
  for (size_t i = 0; i < contract.python_features.size(); ++i) {
    text += i == 0 ? ". Computed in Python at each request: " : ", ";
    text += contract.python_features[i];
  }
  return text;
}

json::object Reference(const char* name) {
  return {{"$ref", "#/components/schemas/" + std::string(name)}};
}

json::object Content(json::object schema) {
  return {{"application/json", {{"schema", std::move(schema)}}}};
}

json::object Operation(const char* id, const std::string& summary, json::object request,
                       json::object answer) {
  return {{"post",
           {{"operationId", id},
            {"summary", summary},
            {"requestBody", {{"required", true}, {"content", Content(std::move(request))}}},
            {"responses",
             {{"200", {{"description", summary}, {"content", Content(std::move(answer))}}},
              {"default", {{"description", "What was tried, what is wrong, and the value"},
                           {"content", Content(Reference("Error"))}}}}}}}};
}

json::object TensorSchema() {
  return {{"type", "object"},
          {"required", {"name", "shape", "datatype"}},
          {"properties",
           {{"name", {{"type", "string"}}},
            {"shape", {{"type", "array"}, {"items", {{"type", "integer"}}}}},
            {"datatype", {{"type", "string"}}},
            {"data", {{"type", "array"}}},
            {"parameters", {{"type", "object"}}}}}};
}

json::object Object(json::array required, json::object properties) {
  return {{"type", "object"},
          {"required", std::move(required)},
          {"properties", std::move(properties)}};
}

json::object ListOf(json::object items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}

}  // namespace

json::object DeploymentRequestSchema(const std::string& name, const DeploymentContract& contract) {
  json::object schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                         {"title", "An entity of deployment '" + name + "'"}};
  for (auto& member : EntitySchema(contract)) schema[member.key()] = std::move(member.value());
  return schema;
}

json::object DeploymentOpenApi(const std::string& name, const DeploymentContract& contract) {
  const json::object time = {{"type", json::array{"string", "integer"}},
                             {"description", "ISO 8601, or microseconds since the epoch"}};
  json::object schemas = {
      {"Entity", EntitySchema(contract)},
      {"Prediction", PredictionSchema(contract)},
      {"Tensor", TensorSchema()},
      {"Error", {{"type", "object"}, {"properties", {{"error", json::object()}}}}},
      {"PredictRequest",
       Object({"entities"},
              {{"entities",
                {{"anyOf", json::array{Reference("Entity"), ListOf(Reference("Entity"))}}}},
               {"event_time", time}})},
      {"PredictAnswer",
       Object({"release_id", "release_number", "missing"},
              {{"prediction", Reference("Prediction")},
               {"predictions", ListOf(Reference("Prediction"))},
               {"missing", ListOf({{"type", "string"}})},
               {"release_id", {{"type", "string"}}},
               {"release_number", {{"type", "integer"}}}})},
      {"InferRequest",
       Object({"inputs"}, {{"id", {{"type", "string"}}},
                           {"parameters", {{"type", "object"}}},
                           {"inputs", ListOf(Reference("Tensor"))},
                           {"outputs", ListOf({{"type", "object"}})}})},
      {"InferAnswer",
       Object({"model_name", "outputs"},
              {{"model_name", {{"type", "string"}}},
               {"model_version", {{"type", "string"}}},
               {"id", {{"type", "string"}}},
               {"parameters", {{"type", "object"}}},
               {"outputs", ListOf(Reference("Tensor"))}})}};
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Deployment '" + name + "'"},
            {"version", std::to_string(contract.release_number)},
            {"description", DescriptionOf(contract)}}},
          {"paths",
           {{"/api/v1/deployments/" + name + "/predict",
             Operation("predict", "Predictions by entity", Reference("PredictRequest"),
                       Reference("PredictAnswer"))},
            {"/v2/models/" + name + "/infer",
             Operation("infer", "Predictions by tensors", Reference("InferRequest"),
                       Reference("InferAnswer"))}}},
          {"components", {{"schemas", std::move(schemas)}}}};
}

}  // namespace tercet
