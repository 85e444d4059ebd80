#include "catalog/training_dataset.h"

#include <cmath>
#include <set>

#include "base/name.h"
#include "base/time_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

constexpr std::string_view kMethodNames[] = {"none", "random", "time"};

std::string_view MethodName(SplitDefinition::Method method) {
  return kMethodNames[static_cast<int>(method)];
}

/// Reads [["train", value], …] and hands each name and value on.
template <typename Add>
Status ReadPairs(const json::object& object, std::string_view key, const Add& add) {
  ARROW_ASSIGN_OR_RAISE(const json::array items, FindArray(object, key));
  for (const json::value& item : items) {
    const json::array* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string()) {
      return Status::Invalid("split: member '", key, "' must be a list of [name, value], not of ",
                             ToText(item).substr(0, 80));
    }
    ARROW_RETURN_NOT_OK(add(std::string((*pair)[0].as_string()), (*pair)[1]));
  }
  return Status::OK();
}

}  // namespace

std::vector<std::string> SplitDefinition::PartNames() const {
  std::vector<std::string> names;
  for (const auto& part : parts) names.push_back(part.first);
  for (const auto& boundary : boundaries) names.push_back(boundary.first);
  if (method == Method::kNone) return {"train"};
  return names;
}

Status SplitDefinition::Check() const {
  const std::vector<std::string> names = PartNames();
  if (method == Method::kNone) {
    if (parts.empty() && boundaries.empty()) return Status::OK();
    return Status::Invalid("split: method 'none' has one part, 'train', and takes no others");
  }
  if (names.empty()) {
    return Status::Invalid("split: method '", MethodName(method), "' needs parts");
  }
  if (!parts.empty() && !boundaries.empty()) {
    return Status::Invalid("split: give either shares or boundaries, not both");
  }
  if (method == Method::kRandom && !boundaries.empty()) {
    return Status::Invalid("split: boundaries are times; method 'random' takes shares");
  }
  std::set<std::string> seen;
  for (const std::string& name : names) {
    ARROW_RETURN_NOT_OK(CheckName("part", name));
    if (!seen.insert(name).second) {
      return Status::Invalid("split: part '", name, "' is named twice");
    }
  }
  double sum = 0;
  for (const auto& [name, share] : parts) {
    if (!(share > 0 && share <= 1)) {
      return Status::Invalid("split: the share of part '", name,
                             "' must be above 0 and at most 1, not ", share);
    }
    sum += share;
  }
  if (!parts.empty() && std::abs(sum - 1) > 1e-9) {
    return Status::Invalid("split: the shares must sum to 1, not ", sum);
  }
  for (size_t i = 0; i < boundaries.size(); ++i) {
    const auto& [name, end_us] = boundaries[i];
    const bool last = i + 1 == boundaries.size();
    if (last != !end_us.has_value()) {
      return Status::Invalid("split: part '", name, "' ",
                             last ? "is the last and must have no boundary"
                                  : "needs the time before which it ends");
    }
    if (i > 0 && end_us && *end_us <= *boundaries[i - 1].second) {
      return Status::Invalid("split: the boundary of part '", name, "' (", FormatTime(*end_us),
                             ") must be after the one before it (",
                             FormatTime(*boundaries[i - 1].second), ")");
    }
  }
  return Status::OK();
}

json::object SplitDefinition::ToJson() const {
  json::object object{{"method", MethodName(method)}};
  if (!parts.empty()) {
    json::array items;
    for (const auto& [name, share] : parts) items.push_back(json::array{name, share});
    object["parts"] = std::move(items);
  }
  if (!boundaries.empty()) {
    json::array items;
    for (const auto& [name, end_us] : boundaries) {
      items.push_back(json::array{
          name, end_us ? json::value(FormatTime(*end_us)) : json::value(nullptr)});
    }
    object["boundaries"] = std::move(items);
  }
  return object;
}

Result<SplitDefinition> SplitDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("split", object, {"method", "parts", "boundaries"}));
  SplitDefinition split;
  ARROW_ASSIGN_OR_RAISE(const auto method_name, FindString(object, "method"));
  const std::string name = method_name.value_or("none");
  bool found = false;
  for (const Method method : {Method::kNone, Method::kRandom, Method::kTime}) {
    if (MethodName(method) == name) {
      split.method = method;
      found = true;
    }
  }
  if (!found) {
    return Status::Invalid("there is no split method '", name, "'",
                           Suggest(name, {"none", "random", "time"}));
  }
  ARROW_RETURN_NOT_OK(ReadPairs(object, "parts", [&](std::string part, const json::value& share) {
    if (!share.is_number()) {
      return Status::Invalid("split: the share of part '", part, "' must be a number, not ",
                             ToText(share).substr(0, 80));
    }
    split.parts.emplace_back(std::move(part), share.to_number<double>());
    return Status::OK();
  }));
  ARROW_RETURN_NOT_OK(
      ReadPairs(object, "boundaries", [&](std::string part, const json::value& end) -> Status {
        std::optional<int64_t> end_us;
        if (end.is_string()) {
          ARROW_ASSIGN_OR_RAISE(end_us, ParseTime(end.as_string()));
        } else if (end.is_int64()) {
          end_us = end.as_int64();
        } else if (!end.is_null()) {
          return Status::Invalid("split: the boundary of part '", part, "' must be a time, not ",
                                 ToText(end).substr(0, 80));
        }
        split.boundaries.emplace_back(std::move(part), end_us);
        return Status::OK();
      }));
  ARROW_RETURN_NOT_OK(split.Check());
  return split;
}

json::object TrainingDatasetDefinition::ToJson() const {
  return {{"view", view.ToText()},
          {"version", version},
          {"split", split.ToJson()},
          {"seed", seed},
          {"start_us", OrNull(start_us)},
          {"end_us", OrNull(end_us)},
          {"has_spine", has_spine},
          {"spine_file", spine_file},
          {"spine_sha256", spine_sha256},
          {"pins", ToJsonObject(pins)},
          {"fitted_transformations", fitted_transformations},
          {"statistics", statistics},
          {"rows", ToJsonObject(rows)},
          {"sha256", ToJsonObject(sha256)},
          {"features", features},
          {"labels", labels}};
}

Result<TrainingDatasetDefinition> TrainingDatasetDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers(
      "training dataset", object,
      {"view", "version", "split", "seed", "start_us", "end_us", "has_spine", "spine_file",
       "spine_sha256", "pins", "fitted_transformations", "statistics", "rows", "sha256", "features",
       "labels"}));
  TrainingDatasetDefinition dataset;
  ARROW_ASSIGN_OR_RAISE(const std::string view, GetString(object, "view"));
  ARROW_ASSIGN_OR_RAISE(dataset.view, Ref::Parse(view));
  ARROW_ASSIGN_OR_RAISE(const auto version, FindInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(const json::object split, FindObject(object, "split"));
  ARROW_ASSIGN_OR_RAISE(dataset.split, SplitDefinition::FromJson(split));
  ARROW_ASSIGN_OR_RAISE(const auto seed, FindInt(object, "seed"));
  ARROW_ASSIGN_OR_RAISE(dataset.start_us, FindInt(object, "start_us"));
  ARROW_ASSIGN_OR_RAISE(dataset.end_us, FindInt(object, "end_us"));
  ARROW_ASSIGN_OR_RAISE(const auto has_spine, FindBool(object, "has_spine"));
  ARROW_ASSIGN_OR_RAISE(const auto spine_file, FindString(object, "spine_file"));
  ARROW_ASSIGN_OR_RAISE(const auto spine_sha256, FindString(object, "spine_sha256"));
  ARROW_ASSIGN_OR_RAISE(dataset.pins, FindIntMap(object, "pins"));
  ARROW_ASSIGN_OR_RAISE(dataset.fitted_transformations,
                        FindArray(object, "fitted_transformations"));
  ARROW_ASSIGN_OR_RAISE(dataset.statistics, FindObject(object, "statistics"));
  ARROW_ASSIGN_OR_RAISE(dataset.rows, FindIntMap(object, "rows"));
  ARROW_ASSIGN_OR_RAISE(dataset.sha256, FindStringMap(object, "sha256"));
  ARROW_ASSIGN_OR_RAISE(dataset.features, FindArray(object, "features"));
  ARROW_ASSIGN_OR_RAISE(dataset.labels, FindArray(object, "labels"));
  dataset.version = version.value_or(0);
  dataset.seed = seed.value_or(0);
  dataset.has_spine = has_spine.value_or(false);
  dataset.spine_file = spine_file.value_or("");
  dataset.spine_sha256 = spine_sha256.value_or("");
  return dataset;
}

}  // namespace tercet
