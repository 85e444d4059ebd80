#include "catalog/split_definition.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/name.h"
#include "base/short_text.h"
#include "base/time_text.h"
#include "catalog/definition_json.h"

namespace tercet {
namespace {

using Method = SplitDefinition::Method;

constexpr int64_t kMaxFolds = 1000;

const std::vector<std::string>& MethodNames() {
  static const std::vector<std::string> names = {"none",  "random", "time",  "stratified",
                                                 "group", "k_fold", "purged"};
  return names;
}

const std::string& MethodName(Method method) {
  return MethodNames()[static_cast<size_t>(method)];
}

/// Reads [["train", value], …] and hands each name and value on.
template <typename Add>
Status ReadPairs(const json::object& object, std::string_view key, const Add& add) {
  ARROW_ASSIGN_OR_RAISE(const json::array items, FindArray(object, key));
  for (const json::value& item : items) {
    const json::array* pair = item.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string()) {
      return Status::Invalid("split: member '", key, "' must be a list of [name, value], not of ",
                             ShortText(ToText(item)));
    }
    ARROW_RETURN_NOT_OK(add(std::string((*pair)[0].as_string()), (*pair)[1]));
  }
  return Status::OK();
}

/// That a split has the members that its method takes, and no others.
Status CheckTaken(const SplitDefinition& split) {
  const std::string& method = MethodName(split.method);
  const bool by_column = split.method == Method::kStratified || split.method == Method::kGroup ||
                         (split.method == Method::kKFold && !split.by.empty());
  if (by_column && split.column.empty()) {
    return Status::Invalid("split: method '", method, "' needs the 'column' that it goes by");
  }
  if (!by_column && !split.column.empty()) {
    return Status::Invalid("split: method '", method, "' takes no 'column'",
                           split.method == Method::kKFold
                               ? " without a 'by' that is 'stratified' or 'group'"
                               : "");
  }
  if (!split.by.empty() && split.method != Method::kKFold) {
    return Status::Invalid("split: only method 'k_fold' takes 'by'");
  }
  if (!split.by.empty() && split.by != "stratified" && split.by != "group") {
    return Status::Invalid("split: 'by' must be 'stratified' or 'group', not '", split.by, "'",
                           Suggest(split.by, {"stratified", "group"}));
  }
  if (split.has_folds() != (split.folds != 0)) {
    return Status::Invalid("split: method '", method, "' ",
                           split.has_folds() ? "needs its number of 'folds'" : "takes no 'folds'");
  }
  if (split.has_folds() && (split.folds < 2 || split.folds > kMaxFolds)) {
    return Status::Invalid("split: 'folds' must be from 2 to ", kMaxFolds, ", not ", split.folds);
  }
  if (split.method != Method::kPurged && (split.horizon_us != 0 || split.embargo_us != 0)) {
    return Status::Invalid("split: only method 'purged' takes a horizon and an embargo");
  }
  if (split.horizon_us < 0 || split.embargo_us < 0) {
    return Status::Invalid("split: a horizon and an embargo can't be negative");
  }
  if (split.has_folds() && (!split.parts.empty() || !split.boundaries.empty())) {
    return Status::Invalid("split: method '", method, "' names its parts itself");
  }
  if (split.method != Method::kTime && !split.boundaries.empty()) {
    return Status::Invalid("split: boundaries are times; method '", method, "' takes shares");
  }
  return Status::OK();
}

}  // namespace

std::vector<std::string> SplitDefinition::PartNames() const {
  if (method == Method::kNone) return {"train"};
  std::vector<std::string> names;
  for (const auto& part : parts) names.push_back(part.first);
  for (const auto& boundary : boundaries) names.push_back(boundary.first);
  if (has_folds()) {
    for (int64_t fold = 0; fold < folds; ++fold) names.push_back("fold_" + std::to_string(fold));
  }
  return names;
}

Status SplitDefinition::Check() const {
  ARROW_RETURN_NOT_OK(CheckTaken(*this));
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
  if (!column.empty()) object["column"] = column;
  if (!by.empty()) object["by"] = by;
  if (folds != 0) object["folds"] = folds;
  if (horizon_us != 0) object["horizon_us"] = horizon_us;
  if (embargo_us != 0) object["embargo_us"] = embargo_us;
  return object;
}

Result<SplitDefinition> SplitDefinition::FromJson(const json::object& object) {
  ARROW_RETURN_NOT_OK(CheckMembers("split", object,
                                   {"method", "parts", "boundaries", "column", "by", "folds",
                                    "horizon_us", "embargo_us"}));
  SplitDefinition split;
  ARROW_ASSIGN_OR_RAISE(const auto method_name, FindString(object, "method"));
  const std::string name = method_name.value_or("none");
  const auto& names = MethodNames();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    return Status::Invalid("there is no split method '", name, "'", Suggest(name, names));
  }
  split.method = static_cast<Method>(found - names.begin());
  ARROW_ASSIGN_OR_RAISE(const auto column, FindString(object, "column"));
  ARROW_ASSIGN_OR_RAISE(const auto by, FindString(object, "by"));
  ARROW_ASSIGN_OR_RAISE(const auto folds, FindInt(object, "folds"));
  ARROW_ASSIGN_OR_RAISE(const auto horizon_us, FindInt(object, "horizon_us"));
  ARROW_ASSIGN_OR_RAISE(const auto embargo_us, FindInt(object, "embargo_us"));
  split.column = column.value_or("");
  split.by = by.value_or("");
  split.folds = folds.value_or(0);
  split.horizon_us = horizon_us.value_or(0);
  split.embargo_us = embargo_us.value_or(0);
  ARROW_RETURN_NOT_OK(ReadPairs(object, "parts", [&](std::string part, const json::value& share) {
    if (!share.is_number()) {
      return Status::Invalid("split: the share of part '", part, "' must be a number, not ",
                             ShortText(ToText(share)));
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
                                 ShortText(ToText(end)));
        }
        split.boundaries.emplace_back(std::move(part), end_us);
        return Status::OK();
      }));
  ARROW_RETURN_NOT_OK(split.Check());
  return split;
}

}  // namespace tercet
