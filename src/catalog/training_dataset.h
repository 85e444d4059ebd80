#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/noun.h"

namespace tercet {

/// How rows are divided. JSON: {"method": "time", "parts": [["train", 0.8], ["test", 0.2]]},
/// {"method": "time", "boundaries": [["train", "2013-10-01T00:00:00Z"], …]} where a part ends
/// before its boundary and the last part has none, {"method": "random", "parts": […]},
/// {"method": "none"} (one part, "train").
struct SplitDefinition {
  enum class Method { kNone, kRandom, kTime };
  Method method = Method::kNone;
  std::vector<std::pair<std::string, double>> parts;  ///< name, share; the shares sum to 1
  /// For kTime, instead of shares: name, first event time after the part (microseconds).
  std::vector<std::pair<std::string, std::optional<int64_t>>> boundaries;

  std::vector<std::string> PartNames() const;
  Status Check() const;
  json::object ToJson() const;
  static Result<SplitDefinition> FromJson(const json::object& object);
};

/// What a training dataset was made of: enough to make it again, byte for byte.
struct TrainingDatasetDefinition {
  Ref view;
  int64_t version = 0;
  SplitDefinition split;
  int64_t seed = 0;
  std::optional<int64_t> start_us, end_us;  ///< root rows with start ≤ event time < end
  bool has_spine = false;                   ///< left rows were given, and are kept:
  std::string spine_file;                   ///< its name in the folder of the view's datasets
  std::string spine_sha256;                 ///< of that file
  std::map<std::string, int64_t> pins;      ///< "weather@1" → commit version
  json::array fitted_transformations;       ///< compute/transformation.h
  json::object statistics;                  ///< part → column statistics (compute/statistics.h)
  std::map<std::string, int64_t> rows;      ///< part → rows
  std::map<std::string, std::string> sha256;  ///< part → content address of its Arrow IPC stream
  json::array features, labels;             ///< output schemas as JSON

  Ref ref() const { return {view.ToText(), version}; }
  json::object ToJson() const;
  static Result<TrainingDatasetDefinition> FromJson(const json::object& object);
};

}  // namespace tercet
