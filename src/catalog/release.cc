#include "base/hash.h"
#include "catalog/definition_json.h"
#include "catalog/model.h"

namespace tercet {

json::object Release::ToJson() const {
  return {{"id", id},
          {"model", model.ToText()},
          {"model_files", ToJsonObject(model_files)},
          {"view", view.ToText()},
          {"view_definition", view_definition},
          {"training_dataset", OrNull(training_dataset)},
          {"fitted_transformations", fitted_transformations},
          {"feature_groups", ToJsonArray(feature_groups)},
          {"signature", signature.ToJson()},
          {"number", number}};
}

Result<Release> Release::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "release", object, {"id", "model", "model_files", "view", "view_definition",
                          "training_dataset", "fitted_transformations", "feature_groups",
                          "signature", "number"}));
  Release release;
  ARROW_ASSIGN_OR_RAISE(const auto id, FindString(object, "id"));
  ARROW_ASSIGN_OR_RAISE(const std::string model, GetString(object, "model"));
  ARROW_ASSIGN_OR_RAISE(release.model, Ref::Parse(model));
  ARROW_ASSIGN_OR_RAISE(release.model_files, FindStringMap(object, "model_files"));
  // A model that takes its inputs straight from the request has no view.
  ARROW_ASSIGN_OR_RAISE(const auto view, FindString(object, "view"));
  if (view && !view->empty()) {
    ARROW_ASSIGN_OR_RAISE(release.view, Ref::Parse(*view));
  }
  ARROW_ASSIGN_OR_RAISE(release.view_definition, FindObject(object, "view_definition"));
  ARROW_ASSIGN_OR_RAISE(release.training_dataset, FindRef(object, "training_dataset"));
  ARROW_ASSIGN_OR_RAISE(release.fitted_transformations,
                        FindArray(object, "fitted_transformations"));
  ARROW_ASSIGN_OR_RAISE(release.feature_groups, FindStrings(object, "feature_groups"));
  ARROW_ASSIGN_OR_RAISE(const json::object signature, FindObject(object, "signature"));
  ARROW_ASSIGN_OR_RAISE(release.signature, Signature::FromJson(signature));
  ARROW_ASSIGN_OR_RAISE(const auto number, FindInt(object, "number"));
  release.id = id.value_or("");
  release.number = number.value_or(0);
  return release;
}

std::string Release::ContentAddress() const {
  json::object content = ToJson();
  content.erase("id");
  content.erase("number");
  return Sha256Hex(ToCanonicalText(content));
}

json::object Deployment::ToJson() const {
  json::array switches;
  for (const Switch& item : history) {
    switches.push_back(json::object{{"release_id", item.release_id},
                                    {"number", item.number},
                                    {"switched_us", item.switched_us},
                                    {"action", item.action},
                                    {"by", item.by}});
  }
  return {{"name", name},
          {"release_id", release_id},
          {"history", std::move(switches)},
          {"description", description}};
}

Result<Deployment> Deployment::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("deployment", object,
                                   {"name", "release_id", "history", "description"}));
  Deployment deployment;
  ARROW_ASSIGN_OR_RAISE(deployment.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(deployment.release_id, GetString(object, "release_id"));
  ARROW_ASSIGN_OR_RAISE(const auto switches, FindObjects(object, "history"));
  for (const json::object& item : switches) {
    ARROW_RETURN_NOT_OK(CheckMembers("a deployment's switch", item,
                                     {"release_id", "number", "switched_us", "action", "by"}));
    Switch one;
    ARROW_ASSIGN_OR_RAISE(one.release_id, GetString(item, "release_id"));
    ARROW_ASSIGN_OR_RAISE(one.number, GetInt(item, "number"));
    ARROW_ASSIGN_OR_RAISE(one.switched_us, GetInt(item, "switched_us"));
    ARROW_ASSIGN_OR_RAISE(one.action, GetString(item, "action"));
    ARROW_ASSIGN_OR_RAISE(const auto by, FindString(item, "by"));
    one.by = by.value_or("");
    deployment.history.push_back(std::move(one));
  }
  ARROW_ASSIGN_OR_RAISE(const auto description, FindString(object, "description"));
  deployment.description = description.value_or("");
  return deployment;
}

}  // namespace tercet
