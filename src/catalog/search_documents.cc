#include "catalog/search_documents.h"

#include <set>

#include "catalog/object_name.h"

namespace tercet {
namespace {

constexpr size_t kMaxParameterBytes = 4096;

std::string TextIn(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

/// Names in order, each once.
class Names {
 public:
  void Add(std::string name) {
    if (!name.empty() && seen_.insert(name).second) names_.push_back(std::move(name));
  }
  /// [{"name": …}, …]
  void AddFields(const json::object& object, std::string_view key) {
    const json::value* fields = object.if_contains(key);
    if (fields == nullptr || !fields->is_array()) return;
    for (const json::value& field : fields->as_array()) {
      if (field.is_object()) Add(TextIn(field.as_object(), "name"));
    }
  }
  void AddMembers(const json::object& object, std::string_view key) {
    const json::value* members = object.if_contains(key);
    if (members == nullptr || !members->is_object()) return;
    for (const auto& member : members->as_object()) Add(member.key());
  }
  void AddSelection(const json::value& selection) {
    if (!selection.is_object()) return;
    const std::string prefix = TextIn(selection.as_object(), "prefix");
    const json::value* features = selection.as_object().if_contains("features");
    if (features == nullptr || !features->is_array()) return;
    for (const json::value& feature : features->as_array()) {
      if (feature.is_string()) Add(prefix + std::string(feature.as_string()));
    }
  }
  std::vector<std::string> names() && { return std::move(names_); }

 private:
  std::vector<std::string> names_;
  std::set<std::string> seen_;
};

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

/// What else a noun is found by: a run's name and parameters, a release's model, a source.
std::string MoreWords(Kind kind, const json::object& definition) {
  std::string words;
  const auto add = [&](const std::string& text) { words += (words.empty() ? "" : " ") + text; };
  if (kind == Kind::kRun) {
    add(TextIn(definition, "name"));
    const json::value* parameters = definition.if_contains("parameters");
    if (parameters != nullptr && parameters->is_object()) {
      for (const auto& member : parameters->as_object()) {
        add(std::string(member.key()) + " " +
            (member.value().is_string() ? std::string(member.value().as_string())
                                        : ToText(member.value())));
      }
    }
  }
  if (kind == Kind::kRelease || kind == Kind::kModel) {
    for (const char* member : {"model", "view", "training_dataset", "format"}) {
      add(TextIn(definition, member));
    }
  }
  return words.substr(0, kMaxParameterBytes);
}

}  // namespace

Annotation DeclaredIn(const json::object& definition) {
  Annotation declared;
  declared.description = TextIn(definition, "description");
  const json::value* tags = definition.if_contains("tags");
  if (tags == nullptr || !tags->is_object()) return declared;
  for (const auto& tag : tags->as_object()) {
    if (tag.value().is_string()) declared.tags[tag.key()] = tag.value().as_string();
  }
  return declared;
}

std::vector<std::string> ColumnsIn(Kind kind, const json::object& definition) {
  Names names;
  switch (kind) {
    case Kind::kFeatureGroup:
      names.AddFields(definition, "schema");
      break;
    case Kind::kFeatureView: {
      if (const json::value* root = definition.if_contains("root")) names.AddSelection(*root);
      const json::value* joins = definition.if_contains("joins");
      if (joins != nullptr && joins->is_array()) {
        for (const json::value& join : joins->as_array()) names.AddSelection(join);
      }
      names.AddMembers(definition, "on_demand");
      break;
    }
    case Kind::kTrainingDataset:
      names.AddFields(definition, "features");
      names.AddFields(definition, "labels");
      break;
    case Kind::kModel:
      if (const json::value* signature = definition.if_contains("signature");
          signature != nullptr && signature->is_object()) {
        names.AddFields(signature->as_object(), "inputs");
        names.AddFields(signature->as_object(), "outputs");
      }
      names.AddMembers(definition, "metrics");
      break;
    case Kind::kRun:
      names.AddMembers(definition, "metrics");
      break;
    case Kind::kRelease:
    case Kind::kDeployment:
      break;
  }
  return std::move(names).names();
}

std::vector<SearchDocument> DocumentsOf(Kind kind, const Ref& ref, const json::object& definition,
                                        const std::vector<std::string>& columns,
                                        const Annotation& said) {
  const std::string more = MoreWords(kind, definition);
  std::vector<SearchDocument> documents = {
      {.kind = std::string(KindName(kind)),
       .feature = {},
       .name = NounName(kind, ref) + (kind == Kind::kRun ? " " + TextIn(definition, "name") : ""),
       .features = Joined(columns) + (more.empty() ? "" : " " + more),
       .description = said.description,
       .owner = said.owner,
       .tags = said.tags}};
  std::set<std::string> own;
  if (kind == Kind::kFeatureGroup) own.insert(columns.begin(), columns.end());
  if (kind == Kind::kFeatureView) {
    // What it selects is found as the group's; what it computes is its own.
    const json::value* computed = definition.if_contains("on_demand");
    if (computed != nullptr && computed->is_object()) {
      for (const auto& member : computed->as_object()) own.insert(member.key());
    }
  }
  // What is described is found, whosever column it is.
  for (const auto& [feature, annotation] : said.features) own.insert(feature);
  for (const std::string& feature : own) {
    const auto known = said.features.find(feature);
    const Annotation of_feature = known == said.features.end() ? Annotation() : known->second;
    documents.push_back({.kind = "feature",
                         .feature = feature,
                         .name = feature,
                         .features = {},
                         .description = of_feature.description,
                         .owner = of_feature.owner,
                         .tags = of_feature.tags});
  }
  return documents;
}

}  // namespace tercet
