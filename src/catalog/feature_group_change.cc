#include "catalog/feature_group_change.h"

#include "base/short_text.h"
#include "catalog/definition_json.h"
#include "catalog/feature_group.h"

namespace tercet {

json::object FeatureGroupChange::ToJson() const {
  json::object object;
  if (!add.empty()) {
    json::array features;
    for (const NewFeature& feature : add) {
      features.push_back(json::object{{"name", feature.name},
                                      {"type", feature.type->ToString()},
                                      {"default", feature.default_value}});
    }
    object["add"] = std::move(features);
  }
  if (!widen.empty()) {
    json::object types;
    for (const auto& field : widen) types[field->name()] = field->type()->ToString();
    object["widen"] = std::move(types);
  }
  if (description) object["description"] = *description;
  if (tags) object["tags"] = ToJsonObject(*tags);
  if (change_ttl) object["ttl_us"] = OrNull(ttl_us);
  if (history) object["history"] = *history;
  if (!properties.empty()) {
    json::object texts;
    for (const auto& [name, text] : properties) {
      texts[name] = text ? json::value(*text) : json::value(nullptr);
    }
    object["properties"] = std::move(texts);
  }
  if (!embeddings.empty()) {
    json::object items;
    for (const auto& [column, embedding] : embeddings) {
      items[column] = embedding ? json::value(embedding->ToJson()) : json::value(nullptr);
    }
    object["embeddings"] = std::move(items);
  }
  return object;
}

Result<FeatureGroupChange> FeatureGroupChange::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("change of a feature group", object,
                                   {"add", "widen", "description", "tags", "ttl_us",
                                    "history", "properties", "embeddings"}));
  FeatureGroupChange change;
  if (object.contains("add")) {
    ARROW_ASSIGN_OR_RAISE(const auto features, FindObjects(object, "add"));
    for (const json::object& item : features) {
      ARROW_RETURN_NOT_OK(CheckMembers("new feature", item, {"name", "type", "default"}));
      NewFeature feature;
      ARROW_ASSIGN_OR_RAISE(feature.name, GetString(item, "name"));
      ARROW_ASSIGN_OR_RAISE(const std::string type, GetString(item, "type"));
      ARROW_ASSIGN_OR_RAISE(feature.type, TypeFromText(type));
      if (const json::value* value = item.if_contains("default")) feature.default_value = *value;
      change.add.push_back(std::move(feature));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto types, FindStringMap(object, "widen"));
  for (const auto& [name, text] : types) {
    ARROW_ASSIGN_OR_RAISE(auto type, TypeFromText(text));
    change.widen.push_back(arrow::field(name, std::move(type)));
  }
  ARROW_ASSIGN_OR_RAISE(change.description, FindString(object, "description"));
  if (object.contains("tags")) {
    ARROW_ASSIGN_OR_RAISE(change.tags, FindStringMap(object, "tags"));
  }
  if (object.contains("ttl_us")) {
    change.change_ttl = true;
    ARROW_ASSIGN_OR_RAISE(change.ttl_us, FindInt(object, "ttl_us"));
  }
  ARROW_ASSIGN_OR_RAISE(change.history, FindBool(object, "history"));
  ARROW_ASSIGN_OR_RAISE(const json::object properties, FindObject(object, "properties"));
  for (const auto& member : properties) {
    if (member.value().is_null()) {
      change.properties[member.key()] = std::nullopt;
    } else if (member.value().is_string()) {
      change.properties[member.key()] = std::string(member.value().as_string());
    } else {
      return Status::Invalid("property '", std::string_view(member.key()),
                             "' must be text, or null to take it away, not ",
                             ShortText(ToText(member.value())));
    }
  }
  ARROW_ASSIGN_OR_RAISE(json::object embeddings, FindObject(object, "embeddings"));
  for (auto it = embeddings.begin(); it != embeddings.end();) {
    if (!it->value().is_null()) {
      ++it;
      continue;
    }
    change.embeddings[std::string(it->key())] = std::nullopt;
    it = embeddings.erase(it);
  }
  ARROW_ASSIGN_OR_RAISE(const Embeddings declared, EmbeddingsFromJson(embeddings));
  change.embeddings.insert(declared.begin(), declared.end());
  return change;
}

}  // namespace tercet
