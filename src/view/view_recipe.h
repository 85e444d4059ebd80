#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "base/json.h"
#include "compute/transformation.h"
#include "offline/feature_tables.h"
#include "view/view_plan.h"
#include "view/view_snapshots.h"

namespace tercet {

struct RecipeOptions {
  std::shared_ptr<arrow::Schema> spine;  ///< null: the left rows are the root's
  std::vector<FittedTransformation> fitted;
};

/// A view's read as steps that another engine can carry out on the tables' files: which tables at
/// which commit, which columns, and each point-in-time join by its columns, times and limits. What
/// is not a join is left to `program` (view/view_program.h).
///
/// {"pins": {"weather@1": 4},
///  "tables": {"weather@1": {"path", "version", "key": [names], "event_time": name or "",
///             "files": [names of its files, older first]}},
///  "root": "flights@1",
///  "left": [{"name", "column", "type"}],      column of the root, or of the spine
///  "time": column with the left rows' time or "", "ttl_us": of a look-up in the root or null,
///  "look_up": [names], "unknown": [{"name", "type"}],   SpineColumns
///  "joins": [{"table", "columns": [names], "left_keys": [{"group", "column"}], "moved_us",
///             "moved", "newest_us": of a horizon or null, "has_horizon", "ttl_us", "inner"}],
///  "inputs": [{"group", "column"}], "input_types", "output": Delta's (and Spark's) schemas,
///  "program": {…}}
///
/// Of rows of one key and time that of the later file in "files" wins, then the later row.
/// NotImplemented for a group that is no Delta table.
Result<json::object> RecipeOf(const std::shared_ptr<const ViewPlan>& plan,
                              ViewSnapshots* snapshots, FeatureTables* tables,
                              const RecipeOptions& options);

}  // namespace tercet
