#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/noun.h"
#include "catalog/split_definition.h"

namespace tercet {

/// What a training dataset was made of: enough to make it again, byte for byte.
struct TrainingDatasetDefinition {
  Ref view;
  int64_t version = 0;
  SplitDefinition split;
  int64_t seed = 0;
  std::optional<int64_t> start_us, end_us;  ///< root rows with start ≤ event time < end
  bool known_at = false;                    ///< what was committed later did not count
  bool has_spine = false;                   ///< left rows were given, and are kept:
  std::string spine_file;                   ///< its name in the folder of the view's datasets
  std::string spine_sha256;                 ///< of that file
  std::map<std::string, int64_t> pins;      ///< "weather@1" → commit version
  json::array fitted_transformations;       ///< compute/transformation.h
  json::object statistics;                  ///< part → column statistics (compute/statistics.h)
  /// Part → label of at most a hundred values → [{"class", "rows", "share", "weight"} …]: a class's
  /// weight is rows ÷ (classes · its rows), as scikit-learn's "balanced".
  json::object class_balance;
  std::map<std::string, int64_t> rows;      ///< part → rows
  std::map<std::string, std::string> sha256;  ///< part → content address of its Arrow IPC stream
  json::array features, labels;             ///< output schemas as JSON
  /// Why it can no longer be made again; empty while it can. Its spine, statistics and balance of
  /// classes are gone then.
  std::string lost;

  Ref ref() const { return {view.ToText(), version}; }
  json::object ToJson() const;
  static Result<TrainingDatasetDefinition> FromJson(const json::object& object);
};

}  // namespace tercet
