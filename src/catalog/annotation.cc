#include "catalog/annotation.h"

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

constexpr size_t kMaxText = 64 << 10;
constexpr size_t kMaxTagName = 255;
constexpr size_t kMaxTags = 256;

Status CheckText(std::string_view what, const std::string& text) {
  if (text.size() <= kMaxText) return Status::OK();
  return Status::CapacityError("the ", what, " has ", text.size(), " bytes; at most ", kMaxText,
                               " are kept");
}

}  // namespace

json::object Annotation::ToJson() const {
  json::object of_features;
  for (const auto& [name, feature] : features) of_features[name] = feature.ToJson();
  json::object object = {
      {"description", description}, {"owner", owner}, {"tags", ToJsonObject(tags)}};
  if (!features.empty()) object["features"] = std::move(of_features);
  return object;
}

Result<Annotation> Annotation::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(
      CheckMembers("annotation", object, {"description", "owner", "tags", "features"}));
  Annotation annotation;
  ARROW_ASSIGN_OR_RAISE(const auto description, FindString(object, "description"));
  ARROW_ASSIGN_OR_RAISE(const auto owner, FindString(object, "owner"));
  ARROW_ASSIGN_OR_RAISE(annotation.tags, FindStringMap(object, "tags"));
  ARROW_ASSIGN_OR_RAISE(const json::object of_features, FindObject(object, "features"));
  for (const auto& member : of_features) {
    ARROW_ASSIGN_OR_RAISE(const json::object one, FindObject(of_features, member.key()));
    ARROW_ASSIGN_OR_RAISE(annotation.features[member.key()], Annotation::FromJson(one));
  }
  annotation.description = description.value_or("");
  annotation.owner = owner.value_or("");
  return annotation;
}

json::object AnnotationChange::ToJson() const {
  json::object object;
  if (description) object["description"] = *description;
  if (owner) object["owner"] = *owner;
  if (tags) object["tags"] = ToJsonObject(*tags);
  if (!features.empty()) object["features"] = ToJsonObject(features);
  return object;
}

Result<AnnotationChange> AnnotationChange::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("change of an annotation", object,
                                   {"description", "owner", "tags", "features"}));
  AnnotationChange change;
  ARROW_ASSIGN_OR_RAISE(change.description, FindString(object, "description"));
  ARROW_ASSIGN_OR_RAISE(change.owner, FindString(object, "owner"));
  if (object.contains("tags")) {
    ARROW_ASSIGN_OR_RAISE(change.tags, FindStringMap(object, "tags"));
  }
  ARROW_ASSIGN_OR_RAISE(change.features, FindStringMap(object, "features"));
  return change;
}

Status AnnotationChange::Check() const {
  ARROW_RETURN_NOT_OK(CheckText("description", description.value_or("")));
  ARROW_RETURN_NOT_OK(CheckText("owner", owner.value_or("")));
  for (const auto& [name, text] : features) {
    ARROW_RETURN_NOT_OK(CheckText("description of feature '" + name + "'", text));
  }
  if (!tags) return Status::OK();
  if (tags->size() > kMaxTags) {
    return Status::CapacityError(tags->size(), " tags are given; at most ", kMaxTags, " are kept");
  }
  for (const auto& [name, value] : *tags) {
    if (name.empty()) return Status::Invalid("a tag has no name (its value is '", value, "')");
    if (name.size() > kMaxTagName) {
      return Status::CapacityError("tag '", ShortText(name), "' has a name of ", name.size(),
                                   " bytes; at most ", kMaxTagName, " are kept");
    }
    ARROW_RETURN_NOT_OK(CheckText("tag '" + name + "'", value));
  }
  return Status::OK();
}

json::object SearchHit::ToJson() const {
  return {{"kind", kind},       {"name", name},
          {"feature", feature}, {"description", description},
          {"owner", owner},     {"tags", ToJsonObject(tags)},
          {"snippet", snippet}, {"score", score}};
}

Result<SearchHit> SearchHit::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "search hit", object,
      {"kind", "name", "feature", "description", "owner", "tags", "snippet", "score"}));
  SearchHit hit;
  ARROW_ASSIGN_OR_RAISE(hit.kind, GetString(object, "kind"));
  ARROW_ASSIGN_OR_RAISE(hit.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(hit.feature, GetString(object, "feature"));
  ARROW_ASSIGN_OR_RAISE(hit.description, GetString(object, "description"));
  ARROW_ASSIGN_OR_RAISE(hit.owner, GetString(object, "owner"));
  ARROW_ASSIGN_OR_RAISE(hit.tags, FindStringMap(object, "tags"));
  ARROW_ASSIGN_OR_RAISE(hit.snippet, GetString(object, "snippet"));
  ARROW_ASSIGN_OR_RAISE(const auto score, FindDouble(object, "score"));
  hit.score = score.value_or(0);
  return hit;
}

}  // namespace tercet
