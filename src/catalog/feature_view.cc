#include "catalog/feature_view.h"

#include <set>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

/// An object left → right; a list of pairs where one left column stands for two key columns, which
/// an object can't say.
json::value OnToJson(const std::vector<std::pair<std::string, std::string>>& on) {
  std::set<std::string> left;
  for (const auto& pair : on) left.insert(pair.first);
  if (left.size() == on.size()) return ToJsonObject(on);
  json::array pairs;
  for (const auto& [from, to] : on) pairs.push_back(json::array{from, to});
  return pairs;
}

/// Reads what OnToJson writes, and "origin" or ["origin", "hour"] where both names are equal.
Result<std::vector<std::pair<std::string, std::string>>> FindOn(const json::object& object) {
  std::vector<std::pair<std::string, std::string>> on;
  const json::value* value = object.if_contains("on");
  if (value == nullptr || value->is_null()) return on;
  if (value->is_object()) return FindStringPairs(object, "on");
  const json::array items = value->is_array() ? value->as_array() : json::array{*value};
  for (const json::value& item : items) {
    const json::array* pair = item.if_array();
    if (item.is_string()) {
      on.emplace_back(std::string(item.as_string()), std::string(item.as_string()));
    } else if (pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() &&
               (*pair)[1].is_string()) {
      on.emplace_back(std::string((*pair)[0].as_string()), std::string((*pair)[1].as_string()));
    } else {
      return Status::Invalid("member 'on' must map left columns to key columns, not ",
                             ShortText(ToText(*value)));
    }
  }
  return on;
}

json::object SelectionToJson(const GroupSelection& selection) {
  json::object object{{"group", selection.group.name},
                      {"version", selection.group.version},
                      {"features", ToJsonArray(selection.features)},
                      {"on", OnToJson(selection.on)},
                      {"prefix", selection.prefix},
                      {"type", selection.type == JoinType::kInner ? "inner" : "left"},
                      {"ttl_us", OrNull(selection.ttl_us)}};
  // Only where they are set, so that definitions of before keep their text, and releases their id.
  if (selection.lag_us != 0) object["lag_us"] = selection.lag_us;
  if (selection.horizon_us) object["horizon_us"] = *selection.horizon_us;
  if (!selection.from.empty()) object["from"] = selection.from;
  if (selection.through) object["through"] = true;
  return object;
}

/// Lag, horizon and where the keys come from.
Status ReadPath(const json::object& object, GroupSelection* selection) {
  const std::string& group = selection->group.name;
  ARROW_ASSIGN_OR_RAISE(const auto lag, FindInt(object, "lag_us"));
  ARROW_ASSIGN_OR_RAISE(selection->horizon_us, FindInt(object, "horizon_us"));
  ARROW_ASSIGN_OR_RAISE(const auto from, FindString(object, "from"));
  ARROW_ASSIGN_OR_RAISE(const auto through, FindBool(object, "through"));
  selection->lag_us = lag.value_or(0);
  selection->from = from.value_or("");
  selection->through = through.value_or(false);
  if (selection->lag_us < 0) {
    return Status::Invalid("group '", group, "': a lag must be 0 or longer, not ",
                           selection->lag_us, " us; labels of later have a horizon");
  }
  if (selection->horizon_us && *selection->horizon_us <= 0) {
    return Status::Invalid("group '", group, "': a horizon must be longer than 0, not ",
                           *selection->horizon_us, " us");
  }
  if (selection->horizon_us && selection->lag_us != 0) {
    return Status::Invalid("group '", group, "' has a lag of ", selection->lag_us,
                           " us and a horizon of ", *selection->horizon_us,
                           " us; features have a lag, labels a horizon");
  }
  if (selection->through && !selection->features.empty()) {
    return Status::Invalid("group '", group, "' is only passed through, so no feature of it is ",
                           "selected; leave out 'through' or '", selection->features[0], "'");
  }
  return Status::OK();
}

Result<GroupSelection> SelectionFromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "a feature view's group", object,
      {"group", "version", "features", "on", "prefix", "type", "ttl_us", "filter", "lag_us",
       "horizon_us", "from", "through"}));
  GroupSelection selection;
  ARROW_ASSIGN_OR_RAISE(const std::string group, GetString(object, "group"));
  ARROW_ASSIGN_OR_RAISE(selection.group, Ref::Parse(group));
  ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(object, "version"));
  if (version) selection.group.version = *version;
  if (selection.group.version < 0) {
    return Status::Invalid("group '", group, "': version ", selection.group.version,
                           " is not 1 or more");
  }
  ARROW_ASSIGN_OR_RAISE(selection.features, FindStrings(object, "features"));
  ARROW_ASSIGN_OR_RAISE(selection.on, FindOn(object));
  ARROW_ASSIGN_OR_RAISE(const auto prefix, FindString(object, "prefix"));
  ARROW_ASSIGN_OR_RAISE(const auto type, FindString(object, "type"));
  ARROW_ASSIGN_OR_RAISE(selection.ttl_us, FindInt(object, "ttl_us"));
  ARROW_ASSIGN_OR_RAISE(const auto filter, FindString(object, "filter"));
  if (filter) {
    return Status::NotImplemented("group '", group, "' has a filter of its own ('",
                                  ShortText(*filter),
                                  "'); write it as the feature view's filter");
  }
  if (selection.ttl_us && *selection.ttl_us <= 0) {
    return Status::Invalid("group '", group, "': a TTL must be longer than 0, not ",
                           *selection.ttl_us, " us");
  }
  selection.prefix = prefix.value_or("");
  ARROW_RETURN_NOT_OK(ReadPath(object, &selection));
  if (type.value_or("left") == "inner") {
    selection.type = JoinType::kInner;
  } else if (type.value_or("left") != "left") {
    return Status::Invalid("there is no join type '", *type, "'",
                           Suggest(*type, {"left", "inner"}));
  }
  return selection;
}

}  // namespace

json::object TransformationDefinition::ToJson() const {
  return {{"kind", kind}, {"columns", ToJsonArray(columns)}, {"options", options}};
}

Result<TransformationDefinition> TransformationDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("transformation", object, {"kind", "columns", "options"}));
  TransformationDefinition transformation;
  ARROW_ASSIGN_OR_RAISE(transformation.kind, GetString(object, "kind"));
  ARROW_ASSIGN_OR_RAISE(transformation.columns, FindStrings(object, "columns"));
  ARROW_ASSIGN_OR_RAISE(transformation.options, FindObject(object, "options"));
  return transformation;
}

json::object FeatureViewDefinition::ToJson() const {
  json::array join_list, transformation_list;
  for (const GroupSelection& join : joins) join_list.push_back(SelectionToJson(join));
  for (const auto& transformation : transformations) {
    transformation_list.push_back(transformation.ToJson());
  }
  json::object object{{"name", name},
                      {"version", version},
                      {"root", SelectionToJson(root)},
                      {"joins", std::move(join_list)},
                      {"filter", filter.empty() ? json::value(nullptr) : json::value(filter)},
                      {"on_demand", ToJsonObject(on_demand)},
                      {"request_parameters", ToJsonObject(request_parameters)},
                      {"labels", ToJsonArray(labels)},
                      {"helper_columns", ToJsonArray(helper_columns)},
                      {"transformations", std::move(transformation_list)},
                      {"description", description},
                      {"tags", ToJsonObject(tags)}};
  // Only where there are some, so that definitions of before keep their text.
  if (!functions.empty()) {
    json::array function_list;
    for (const PythonFunction& function : functions) function_list.push_back(function.ToJson());
    object["functions"] = std::move(function_list);
  }
  return object;
}

Result<FeatureViewDefinition> FeatureViewDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "feature view", object,
      {"name", "version", "root", "joins", "filter", "on_demand", "request_parameters", "labels",
       "helper_columns", "transformations", "description", "tags", "functions"}));
  FeatureViewDefinition view;
  ARROW_ASSIGN_OR_RAISE(view.name, GetString(object, "name"));
  ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(object, "version"));
  view.version = version.value_or(1);
  if (!object.contains("root")) {
    return Status::Invalid("feature view '", view.name, "': member 'root' is missing");
  }
  ARROW_ASSIGN_OR_RAISE(const json::object root, FindObject(object, "root"));
  ARROW_ASSIGN_OR_RAISE(view.root, SelectionFromJson(root));
  ARROW_ASSIGN_OR_RAISE(const auto joins, FindObjects(object, "joins"));
  for (const json::object& join : joins) {
    ARROW_ASSIGN_OR_RAISE(GroupSelection selection, SelectionFromJson(join));
    view.joins.push_back(std::move(selection));
  }
  ARROW_ASSIGN_OR_RAISE(const auto filter, FindString(object, "filter"));
  ARROW_ASSIGN_OR_RAISE(view.on_demand, FindStringPairs(object, "on_demand"));
  ARROW_ASSIGN_OR_RAISE(view.request_parameters, FindStringPairs(object, "request_parameters"));
  ARROW_ASSIGN_OR_RAISE(view.labels, FindStrings(object, "labels"));
  ARROW_ASSIGN_OR_RAISE(view.helper_columns, FindStrings(object, "helper_columns"));
  ARROW_ASSIGN_OR_RAISE(const auto functions, FindObjects(object, "functions"));
  for (const json::object& item : functions) {
    auto function = PythonFunction::FromJson(item);
    if (!function.ok()) return Explain(function.status(), "feature view '" + view.name + "'");
    view.functions.push_back(std::move(function).ValueUnsafe());
  }
  ARROW_ASSIGN_OR_RAISE(const auto transformations, FindObjects(object, "transformations"));
  for (const json::object& item : transformations) {
    ARROW_ASSIGN_OR_RAISE(auto transformation, TransformationDefinition::FromJson(item));
    view.transformations.push_back(std::move(transformation));
  }
  ARROW_ASSIGN_OR_RAISE(const auto description, FindString(object, "description"));
  ARROW_ASSIGN_OR_RAISE(view.tags, FindStringMap(object, "tags"));
  view.filter = filter.value_or("");
  view.description = description.value_or("");
  return view;
}

}  // namespace tercet
