#pragma once

#include <memory>
#include <optional>
#include <string>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

class ViewProgram;

/// How another engine runs a feature view: the joins are its own, by the recipe that
/// Platform::ExportView gives, and what comes after them is done by the recipe's program, which
/// runs in any process, without the project.

struct ViewExportRequest {
  std::shared_ptr<arrow::Schema> spine;  ///< of the left rows; null: they are the root group's
  /// Whose fitted transformations are applied (0: the newest). A view with transformations needs
  /// one: they are fitted by training data made here.
  std::optional<int64_t> training_dataset_version;
};

/// The "program" of a recipe as text.
Result<std::shared_ptr<const ViewProgram>> LoadViewProgram(const std::string& text);

/// A batch of joined rows (the recipe's "inputs", then times as int64 microseconds) as the view's
/// rows (the recipe's "output"). Any thread.
Result<std::shared_ptr<arrow::RecordBatch>> RunViewProgram(const ViewProgram& program,
                                                           const arrow::RecordBatch& joined);

}  // namespace tercet
