#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"
#include "platform/platform.h"

namespace tercet {

class ViewProgram;

struct ViewExportRequest {
  std::shared_ptr<arrow::Schema> spine;  ///< of the left rows; null: they are the root group's
  /// Whose fitted transformations are applied (0: the newest); absent: none are.
  std::optional<int64_t> training_dataset_version;
  bool known_at = false;  ///< TrainingDataRequest::known_at
};

/// Rows of a view that another engine read, by a recipe.
struct EngineRowsRequest {
  TrainingDataRequest training;         ///< its spine, and all entities, come as `messages`
  std::map<std::string, int64_t> pins;  ///< the recipe's
  /// The spine, then the rows: training/engine_rows.h has the form. For a fold of a dataset the
  /// spine's columns are enough.
  RecordBatchReader messages;
};

/// What became of such rows.
struct EngineDataset {
  TrainingDatasetDefinition definition;
  /// {"parts": [names], "programs": [the recipe's program with what was fitted, one a variant],
  /// "output": their output's schema, as the recipe has it}
  json::object how;
  /// In the order of the rows: "part", the number of its part or 255 for none, and "variant", by
  /// which of the programs it is transformed; both uint8.
  Frame places;
};

/// How another engine runs a feature view: the joins are its own, by a recipe, and what comes after
/// them is done by the recipe's program, which runs in any process, without the project. Training
/// data of its rows are divided, fitted, and recorded as of our own. Thread-safe.
class ViewExports {
 public:
  virtual ~ViewExports() = default;

  /// The recipe (view/view_recipe.h has the form), of the groups' newest commits. NotImplemented
  /// for what only we can read.
  virtual Result<json::object> Recipe(const Ref& view, const ViewExportRequest& request) = 0;

  /// Platform::CreateTrainingDataset, of rows that are given.
  virtual Result<EngineDataset> CreateDataset(const Ref& view, const EngineRowsRequest& rows,
                                              const Progress& progress) = 0;

  /// Platform::TrainingFold, of all the dataset's rows, given again: "train" is part 0, "test" 1.
  virtual Result<EngineDataset> Fold(const Ref& view, int64_t version, int64_t fold,
                                     const EngineRowsRequest& rows, const Progress& progress) = 0;
};

/// The "program" of a recipe as text. `python`: the interpreter that runs the functions that its
/// view brings, in processes of their own; that of the first call counts for all.
Result<std::shared_ptr<const ViewProgram>> LoadViewProgram(const std::string& text,
                                                           const std::string& python);

/// The rows of one of a recipe's "tables" that has a "source", as text: these columns, of stored
/// types, each key and time once, sorted in memory. KeyError when the source is not what it was at
/// the table's version, or is not to be found on this machine.
Result<Frame> ReadSourceRows(const std::string& table, const std::vector<std::string>& columns);

/// A batch of joined rows (the recipe's "inputs", then times as int64 microseconds) as the view's
/// rows (the recipe's "output"). Any thread.
Result<std::shared_ptr<arrow::RecordBatch>> RunViewProgram(const ViewProgram& program,
                                                           const arrow::RecordBatch& joined);
/// The same in two steps: joined rows as the recipe's "rows", and those as its "output".
Result<std::shared_ptr<arrow::RecordBatch>> ViewProgramRows(const ViewProgram& program,
                                                            const arrow::RecordBatch& joined);
Result<std::shared_ptr<arrow::RecordBatch>> FinishViewRows(const ViewProgram& program,
                                                           const arrow::RecordBatch& rows);

}  // namespace tercet
