#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "catalog/run.h"

namespace tercet {

/// The runs of a project. Any process may add to a running run; additions from several processes
/// are all kept. Thread-safe.
class Runs {
 public:
  /// A run keeps the last this many bytes of its log.
  static constexpr size_t kLogBytes = 1 << 20;

  Runs(Catalog* catalog, const Clock* clock) : catalog_(catalog), clock_(clock) {}

  /// Registers a running run with a new id and the start time of now. Invalid for a bad name.
  Result<Run> Start(const Run& run);

  /// Merges parameters and metrics (a later value of a name wins), appends inputs, outputs (each
  /// once) and log. A status other than "running" ends the run. Invalid when it has ended, unless
  /// nothing but its end is told again.
  Result<Run> Log(const std::string& id, const Run& additions);

  Result<Run> Get(const std::string& id);
  Result<std::vector<Run>> List();  ///< newest first
  Status Drop(const std::string& id);

 private:
  Catalog* const catalog_;
  const Clock* const clock_;
};

}  // namespace tercet
