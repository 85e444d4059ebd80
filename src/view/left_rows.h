#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "view/point_in_time_read.h"
#include "view/view_plan.h"
#include "view/view_snapshots.h"

namespace tercet {

/// The left side of a view's read: the root group's rows, or a spine's.
struct LeftRows {
  int64_t rows = 0;
  /// Root columns (and request parameters) by their name in the root group, of its types: what
  /// the view selects of the root, join keys, the primary key where it is there, and what
  /// expressions name.
  std::map<std::string, std::shared_ptr<arrow::ChunkedArray>> columns;
  std::shared_ptr<arrow::Int64Array> times_us;  ///< null when the left side has no event time
};

/// All rows of the root group in the time range, by (primary key, event time).
Result<LeftRows> ReadRoot(const ViewPlan& plan, ViewSnapshots* snapshots,
                          const ViewReadOptions& options);

/// The scan of the root group that gives these rows, and what a table of such rows is as left rows.
Result<ScanOptions> RootScan(const ViewPlan& plan, const ViewReadOptions& options);
Result<LeftRows> RootRows(const ViewPlan& plan, const std::shared_ptr<arrow::Table>& table);

/// What a read takes of a spine, by the columns that it has.
struct SpineColumns {
  std::string time;                          ///< its event time column; empty: it has none
  std::map<std::string, std::string> given;  ///< root column → what the spine calls it
  std::vector<std::string> look_up;          ///< root columns, by the root's primary key
  std::vector<std::string> unknown;          ///< of labels and helper columns: null
};
/// Invalid, naming the column, where the spine lacks what the view can't do without, request
/// parameters among it.
Result<SpineColumns> ResolveSpine(const ViewPlan& plan, const arrow::Schema& spine);

/// The spine's rows in its order. Root columns that it lacks are looked up in the root group by
/// its primary key as of the row's event time; Invalid, naming them, where it lacks the key too
/// (labels and helper columns are then null: a spine for predictions has no labels yet).
Result<LeftRows> ReadSpine(const ViewPlan& plan, ViewSnapshots* snapshots,
                           const ViewReadOptions& options);

}  // namespace tercet
