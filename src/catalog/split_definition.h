#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// How rows are divided. JSON:
///   {"method": "none"}                    one part, "train"
///   {"method": "random", "parts": [["train", 0.8], ["test", 0.2]]}
///   {"method": "time", "parts": […]}, or {"method": "time", "boundaries":
///       [["train", "2013-10-01T00:00:00Z"], …]} where a part ends before its boundary and the
///       last part has none
///   {"method": "stratified", "column": "late", "parts": […]}  each class by these shares
///   {"method": "group", "column": "user", "parts": […]}       a group's rows in one part
///   {"method": "k_fold", "folds": 5}      parts "fold_0" … at random; with "column" and "by"
///       "stratified" or "group", by that
///   {"method": "purged", "folds": 5, "horizon_us": 0, "embargo_us": 0}  folds that follow each
///       other in time
/// Columns are any of the view: a feature, label, helper column or key.
///
/// Folds: a fold's training rows are those of the other folds. In a purged split also without rows
/// whose labels overlap in time with the fold's, and without rows up to an embargo after it
/// (López de Prado 2018, chapter 7): a row's label is known `horizon` after its event time.
struct SplitDefinition {
  enum class Method { kNone, kRandom, kTime, kStratified, kGroup, kKFold, kPurged };
  Method method = Method::kNone;
  std::vector<std::pair<std::string, double>> parts;  ///< name, share; the shares sum to 1
  /// For kTime, instead of shares: name, first event time after the part (microseconds).
  std::vector<std::pair<std::string, std::optional<int64_t>>> boundaries;
  std::string column;      ///< for kStratified, kGroup and, where `by` says so, kKFold
  std::string by;          ///< for kKFold: "", "stratified" or "group"
  int64_t folds = 0;       ///< for kKFold and kPurged
  int64_t horizon_us = 0;  ///< for kPurged
  int64_t embargo_us = 0;  ///< for kPurged

  bool has_folds() const { return method == Method::kKFold || method == Method::kPurged; }
  std::vector<std::string> PartNames() const;
  Status Check() const;
  json::object ToJson() const;
  static Result<SplitDefinition> FromJson(const json::object& object);
};

}  // namespace tercet
