#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "catalog/noun.h"

namespace tercet {

/// What an erasure of entities did (Platform::Erase).
struct ErasureReport {
  struct Group {
    int64_t version = 0;        ///< newest commit afterwards
    int64_t rows = 0;           ///< that readers saw and no longer do
    int64_t files = 0;          ///< of data and changes that held the entities, removed
    /// Commits that can no longer be read since one of their files is gone.
    std::vector<int64_t> lost_versions;
  };
  std::map<std::string, Group> groups;  ///< "weather@1" → …
  /// Training datasets that can no longer be rebuilt: "delay@1@2".
  std::vector<std::string> lost_datasets;
  /// Models that learned from those: "late@3". What they learned stays until they are dropped.
  std::vector<std::string> models;

  json::object ToJson() const;
  static Result<ErasureReport> FromJson(const json::object& object);
};

}  // namespace tercet
