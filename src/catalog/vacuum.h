#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Removing files that nobody can need any more.
struct VacuumRequest {
  /// Commits of this last stretch of time stay readable, with their changes. Absent: what the
  /// table's `delta.deletedFileRetentionDuration` says.
  std::optional<int64_t> retention_us;
  bool dry_run = false;  ///< say what would go, and leave it

  json::object ToJson() const;
  static Result<VacuumRequest> FromJson(const json::object& object);
};

struct VacuumReport {
  bool dry_run = false;
  std::vector<std::string> files;  ///< removed; relative to the table, in order
  int64_t bytes = 0;               ///< of these files
  int64_t orphans = 0;             ///< of these, how many no commit ever named
  int64_t log_files = 0;           ///< old commits and checkpoints removed from the log
  int64_t oldest_version = 0;      ///< of which the log still knows
  /// Older commits that stay readable, and what pins them: 3 → ["training dataset 'delay@1@2'"].
  std::map<int64_t, std::vector<std::string>> pinned;

  json::object ToJson() const;
  static Result<VacuumReport> FromJson(const json::object& object);
};

}  // namespace tercet
