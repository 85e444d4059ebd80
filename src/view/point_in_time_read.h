#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <arrow/table.h>

#include "offline/feature_tables.h"
#include "view/view_plan.h"

namespace tercet {

struct ViewReadOptions {
  std::optional<int64_t> start_us, end_us;  ///< left rows with start ≤ event time < end
  std::shared_ptr<arrow::Table> spine;      ///< left rows instead of the root's; its event time
                                            ///< column is named as the root's or "event_time"
  std::map<std::string, int64_t> pins;      ///< group → commit version; absent: the head
  int64_t memory_limit_bytes = 1LL << 30;  ///< of history held at once, beside left rows and result
  std::function<void(double fraction)> progress;  ///< may be empty; called from any thread
};

struct ViewRows {
  /// All view columns (ViewPlan::columns), in left order: the root's by (primary key, event
  /// time), or the spine's own. With the spine each of its rows comes once (left joins).
  std::shared_ptr<arrow::Table> columns;
  std::shared_ptr<arrow::Table> keys;               ///< left key columns, as the left side has them
  std::shared_ptr<arrow::ChunkedArray> event_time;  ///< timestamp[us, UTC]; null when there is none
  std::map<std::string, int64_t> pins;              ///< the commits that were read
};

/// The point-in-time correct read of a view: every left row sees, of each group, the row with the
/// latest event time at or before its own, within the TTL. The view's filter and inner joins are
/// applied. A sorted merge of each group's runs with the left rows, parallel over key ranges,
/// streaming: memory is the left rows, the result, and at most memory_limit_bytes of history.
Result<ViewRows> ReadView(const ViewPlan& plan, FeatureTables* tables,
                          const ViewReadOptions& options);

/// The core of ReadView, for one group. `left_keys`: the group's primary key columns in its order
/// and types, n rows in any order, nulls match nothing; `left_times_us`: n times, or null for a
/// plain key join (the group's newest row of each key). Returns n rows of `features` in order.
struct JoinAnswer {
  std::shared_ptr<arrow::Table> rows;
  std::shared_ptr<arrow::BooleanArray> found;  ///< n; false where no row was visible
};
Result<JoinAnswer> JoinAsOf(Snapshot* group, const std::vector<std::string>& features,
                            const std::shared_ptr<arrow::Table>& left_keys,
                            const std::shared_ptr<arrow::Int64Array>& left_times_us,
                            std::optional<int64_t> ttl_us, const ViewReadOptions& options);

}  // namespace tercet
