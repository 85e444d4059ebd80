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
#include "view/view_program.h"
#include "view/view_snapshots.h"

namespace tercet {

struct RecipeOptions {
  std::shared_ptr<arrow::Schema> spine;  ///< null: the left rows are the root's
  std::vector<FittedTransformation> fitted;
  bool known_at = false;  ///< ViewReadOptions::known_at
};

/// A view's read as steps that another engine can carry out on the tables' files: which tables at
/// which commit, which columns, and each point-in-time join by its columns, times and limits. What
/// is not a join is left to `program` (view/view_program.h).
///
/// {"pins": {"weather@1": 4},
///  "tables": {"weather@1": {"path", "version", "key": [names], "event_time": name or "",
///             "files": [names of its files, older first],
///             "since_us": time or null, "known": [{"version", "time_us", "files"}]},
///             or, of a source that is no Delta table, {"source": DataSource's, "version", "key",
///             "event_time", "schema": Delta's of the columns}, whose rows ReadSourceRows has
///             (platform/view_export.h)},
///  "root": "flights@1",
///  "left": [{"name", "column", "type"}],      column of the root, or of the spine
///  "time": column with the left rows' time or "", "ttl_us": of a look-up in the root or null,
///  "look_up": [names], "unknown": [{"name", "type"}],   SpineColumns
///  "joins": [{"table", "columns": [names], "left_keys": [{"group", "column"}], "moved_us",
///             "moved", "newest_us": of a horizon or null, "has_horizon", "ttl_us", "inner"}],
///  "inputs": [{"group", "column"}], "input_types", "output": Delta's (and Spark's) schemas,
///  "rows": Delta's schema of ViewProgram::Rows, "program": {…}}
///
/// Of rows of one key and time that of the later file in "files" wins, then the later row. With
/// known_at "known" has the table's commits, oldest first, of which a row that looks something up
/// there (but by a horizon) reads the last one by its own time; nothing is said of times before
/// "since_us". NotImplemented for a source in a bucket that is no Delta table.
Result<json::object> RecipeOf(const std::shared_ptr<const ViewPlan>& plan,
                              ViewSnapshots* snapshots, FeatureTables* tables,
                              const RecipeOptions& options);

/// A schema of stored types as a recipe has it.
Result<json::object> EngineSchema(const std::shared_ptr<arrow::Schema>& stored);

/// The program of such a read: `spine` and `fitted` as in RecipeOptions.
Result<std::shared_ptr<const ViewProgram>> ProgramOf(const std::shared_ptr<const ViewPlan>& plan,
                                                     const RecipeOptions& options);

}  // namespace tercet
