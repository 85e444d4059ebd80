#include "catalog/model.h"

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "catalog/feature_group.h"

namespace tercet {
namespace {

constexpr std::string_view kFormatNames[] = {"xgboost", "lightgbm", "onnx", "python",
                                            "composite"};

json::array SchemaOrEmpty(const std::shared_ptr<arrow::Schema>& schema) {
  return schema == nullptr ? json::array() : SchemaToJson(*schema);
}

}  // namespace

json::object Signature::ToJson() const {
  return {{"inputs", SchemaOrEmpty(inputs)}, {"outputs", SchemaOrEmpty(outputs)}};
}

Result<Signature> Signature::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("signature", object, {"inputs", "outputs"}));
  Signature signature;
  ARROW_ASSIGN_OR_RAISE(const json::array inputs, FindArray(object, "inputs"));
  ARROW_ASSIGN_OR_RAISE(const json::array outputs, FindArray(object, "outputs"));
  if (!inputs.empty()) {
    ARROW_ASSIGN_OR_RAISE(signature.inputs, SchemaFromJson(inputs));
  }
  if (!outputs.empty()) {
    ARROW_ASSIGN_OR_RAISE(signature.outputs, SchemaFromJson(outputs));
  }
  return signature;
}

std::string_view ModelFormatName(ModelFormat format) {
  return kFormatNames[static_cast<int>(format)];
}

Result<ModelFormat> ModelFormatFromName(std::string_view name) {
  for (const ModelFormat format :
       {ModelFormat::kXgboost, ModelFormat::kLightgbm, ModelFormat::kOnnx, ModelFormat::kPython,
        ModelFormat::kComposite}) {
    if (ModelFormatName(format) == name) return format;
  }
  const std::vector<std::string> known(std::begin(kFormatNames), std::end(kFormatNames));
  return Status::Invalid("there is no model format '", ShortText(name), "'",
                         Suggest(name, known));
}

json::object ModelDefinition::ToJson() const {
  std::vector<std::string> part_texts;
  for (const Ref& part : parts) part_texts.push_back(part.ToText());
  return {{"name", name},
          {"version", version},
          {"format", ModelFormatName(format)},
          {"signature", signature.ToJson()},
          {"metrics", metrics},
          {"description", description},
          {"tags", ToJsonObject(tags)},
          {"view", OrNull(view)},
          {"training_dataset", OrNull(training_dataset)},
          {"run_id", run_id},
          {"files", ToJsonObject(files)},
          {"warm_up", warm_up},
          {"parts", ToJsonArray(part_texts)}};
}

Result<ModelDefinition> ModelDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "model", object, {"name", "version", "format", "signature", "metrics", "description", "tags",
                        "view", "training_dataset", "run_id", "files", "warm_up", "parts"}));
  ModelDefinition model;
  ARROW_ASSIGN_OR_RAISE(model.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(const std::string format, GetString(object, "format"));
  ARROW_ASSIGN_OR_RAISE(model.format, ModelFormatFromName(format));
  ARROW_ASSIGN_OR_RAISE(const json::object signature, FindObject(object, "signature"));
  ARROW_ASSIGN_OR_RAISE(model.signature, Signature::FromJson(signature));
  ARROW_ASSIGN_OR_RAISE(model.metrics, FindMetrics(object, "metrics"));
  ARROW_ASSIGN_OR_RAISE(const auto description, FindString(object, "description"));
  ARROW_ASSIGN_OR_RAISE(model.tags, FindStringMap(object, "tags"));
  ARROW_ASSIGN_OR_RAISE(model.view, FindRef(object, "view"));
  ARROW_ASSIGN_OR_RAISE(model.training_dataset, FindRef(object, "training_dataset"));
  ARROW_ASSIGN_OR_RAISE(const auto run_id, FindString(object, "run_id"));
  ARROW_ASSIGN_OR_RAISE(model.files, FindStringMap(object, "files"));
  ARROW_ASSIGN_OR_RAISE(model.warm_up, FindObject(object, "warm_up"));
  ARROW_ASSIGN_OR_RAISE(const auto parts, FindStrings(object, "parts"));
  for (const std::string& part : parts) {
    ARROW_ASSIGN_OR_RAISE(model.parts.emplace_back(), Ref::Parse(part));
  }
  model.version = version.value_or(0);
  model.description = description.value_or("");
  model.run_id = run_id.value_or("");
  return model;
}

}  // namespace tercet
