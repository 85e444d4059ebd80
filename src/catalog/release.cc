#include "base/hash.h"
#include "catalog/definition_json.h"
#include "catalog/model.h"

namespace tercet {
namespace {

void Differ(const std::string& member, const json::value& before, const json::value& after,
            json::array* differences);

/// Members of both, those of `before` first.
void DifferObjects(const std::string& member, const json::object& before,
                   const json::object& after, json::array* differences) {
  const auto path = [&](std::string_view key) {
    return member.empty() ? std::string(key) : member + "." + std::string(key);
  };
  for (const auto& item : before) {
    const json::value* other = after.if_contains(item.key());
    Differ(path(item.key()), item.value(), other == nullptr ? json::value() : *other, differences);
  }
  for (const auto& item : after) {
    if (!before.contains(item.key())) {
      Differ(path(item.key()), json::value(), item.value(), differences);
    }
  }
}

void Differ(const std::string& member, const json::value& before, const json::value& after,
            json::array* differences) {
  if (before == after) return;
  if (before.is_object() && after.is_object()) {
    return DifferObjects(member, before.as_object(), after.as_object(), differences);
  }
  // Lists of one length differ item by item; others as a whole, since no item answers another.
  if (before.is_array() && after.is_array() &&
      before.as_array().size() == after.as_array().size()) {
    for (size_t i = 0; i < before.as_array().size(); ++i) {
      Differ(member + "[" + std::to_string(i) + "]", before.as_array()[i], after.as_array()[i],
             differences);
    }
    return;
  }
  differences->push_back(
      json::object{{"member", member}, {"before", before}, {"after", after}});
}

}  // namespace

json::array DiffOf(const Release& before, const Release& after) {
  json::object first = before.ToJson(), second = after.ToJson();
  for (json::object* object : {&first, &second}) {
    object->erase("id");
    object->erase("number");
  }
  json::array differences;
  DifferObjects("", first, second, &differences);
  return differences;
}

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
                                    {"by", item.by},
                                    {"reason", item.reason}});
  }
  return {{"name", name},
          {"release_id", release_id},
          {"history", std::move(switches)},
          {"description", description},
          {"policy", policy.ToJson()},
          {"traffic", traffic.ToJson()},
          {"canary", canary ? json::value(canary->ToJson()) : json::value()},
          {"experiment", experiment ? json::value(experiment->ToJson()) : json::value()}};
}

Result<Deployment> Deployment::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("deployment", object,
                                   {"name", "release_id", "history", "description", "policy",
                                    "traffic", "canary", "experiment"}));
  Deployment deployment;
  ARROW_ASSIGN_OR_RAISE(deployment.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(deployment.release_id, GetString(object, "release_id"));
  ARROW_ASSIGN_OR_RAISE(const auto switches, FindObjects(object, "history"));
  for (const json::object& item : switches) {
    ARROW_RETURN_NOT_OK(CheckMembers("a deployment's switch", item,
                                     {"release_id", "number", "switched_us", "action", "by",
                                      "reason"}));
    Switch one;
    ARROW_ASSIGN_OR_RAISE(one.release_id, GetString(item, "release_id"));
    ARROW_ASSIGN_OR_RAISE(one.number, GetInt(item, "number"));
    ARROW_ASSIGN_OR_RAISE(one.switched_us, GetInt(item, "switched_us"));
    ARROW_ASSIGN_OR_RAISE(one.action, GetString(item, "action"));
    ARROW_ASSIGN_OR_RAISE(const auto by, FindString(item, "by"));
    one.by = by.value_or("");
    ARROW_ASSIGN_OR_RAISE(const auto reason, FindString(item, "reason"));
    one.reason = reason.value_or("");
    deployment.history.push_back(std::move(one));
  }
  ARROW_ASSIGN_OR_RAISE(const auto description, FindString(object, "description"));
  deployment.description = description.value_or("");
  ARROW_ASSIGN_OR_RAISE(const json::object policy, FindObject(object, "policy"));
  ARROW_ASSIGN_OR_RAISE(deployment.policy, ServingPolicy::FromJson(policy));
  ARROW_ASSIGN_OR_RAISE(const json::object traffic, FindObject(object, "traffic"));
  ARROW_ASSIGN_OR_RAISE(deployment.traffic, Traffic::FromJson(traffic));
  ARROW_ASSIGN_OR_RAISE(const json::object canary, FindObject(object, "canary"));
  if (!canary.empty()) {
    ARROW_ASSIGN_OR_RAISE(deployment.canary, Canary::FromJson(canary));
  }
  ARROW_ASSIGN_OR_RAISE(const json::object experiment, FindObject(object, "experiment"));
  if (!experiment.empty()) {
    ARROW_ASSIGN_OR_RAISE(deployment.experiment, Experiment::FromJson(experiment));
  }
  return deployment;
}

int64_t Deployment::number() const {
  for (const Switch& item : history) {
    if (item.release_id == release_id) return item.number;
  }
  return 0;
}

}  // namespace tercet
