#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/action.h"
#include "offline/run_file.h"
#include "offline/run_writer.h"
#include "offline/table_state.h"

namespace tercet {

/// Rows that another engine wrote without a key or an event time: they are nowhere in a table's
/// order, no reader of ours sees them and no key finds them, but they are not ours to lose.

/// The numbers of a batch's rows that have a position, and of those that have none. The batch has
/// the position's columns.
struct RowsByPosition {
  std::vector<uint32_t> with, without;

  static RowsByPosition Of(const arrow::RecordBatch& rows, const TableOptions& options);
};

/// The rows of a foreign file, of these columns, that have no position and are not deleted; null
/// where there are none.
Result<std::shared_ptr<arrow::RecordBatch>> ReadKeylessRows(const RunFile& run,
                                                            const arrow::Schema& columns,
                                                            const TableOptions& options);

/// Writes rows of all columns in a file that says that none has a position. Nothing without rows.
Result<std::vector<AddFile>> WriteKeylessRows(const std::shared_ptr<arrow::RecordBatch>& rows,
                                              const TableState& state, int64_t now_us,
                                              NewFiles* files);

/// Writes a foreign file's rows of all columns: those with a position as runs, the others as they
/// are.
Result<std::vector<AddFile>> WriteForeignRows(std::shared_ptr<arrow::RecordBatch> rows,
                                              const TableState& state, int64_t now_us,
                                              NewFiles* files);

}  // namespace tercet
