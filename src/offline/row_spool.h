#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/row_stream.h"
#include "offline/run_writer.h"
#include "offline/spilled_runs.h"
#include "offline/table.h"

namespace tercet {

/// Rows on their way into a table: read to the end, of the table's columns and types, with a place
/// for each by position. As long as they and what sorting them takes fit into the limit they stay
/// in memory; else sorted pieces of them are on disk. Nothing of the table is touched.
class RowSpool {
 public:
  /// `schema`, `defaults`: as in AlignRows; `options`: whose key columns order the rows. `folder`:
  /// of a local disk, for scratch files. Invalid or TypeError for rows that don't fit, null keys
  /// and null event times included; IOError where the disk is full.
  static Result<std::shared_ptr<RowSpool>> Fill(arrow::RecordBatchReader* rows,
                                                const arrow::Schema& schema,
                                                const TableOptions& options,
                                                const ColumnDefaults& defaults,
                                                int64_t memory_limit_bytes,
                                                const std::string& folder);
  /// Rows in memory, of the right types.
  static Result<std::shared_ptr<RowSpool>> Of(std::shared_ptr<arrow::RecordBatch> rows,
                                              const TableOptions& options);

  int64_t row_count() const { return spilled_ ? spilled_->row_count() : rows_.rows->num_rows(); }
  const std::shared_ptr<arrow::Schema>& schema() const;
  bool spilled() const { return spilled_ != nullptr; }
  /// The rows in memory; not where they are spilled.
  const RowsToWrite& rows() const { return rows_; }

  /// All rows in order of position, with keys, in batches that are small beside the limit: of equal
  /// positions in the order in which they came, or only the last with `only_last` (of spilled
  /// rows). May be called again.
  Result<std::unique_ptr<RowStream>> Stream(bool only_last = false) const;

  /// The key columns of a row whose position another row has; null when each comes once.
  Result<std::shared_ptr<arrow::RecordBatch>> Duplicate() const;

 private:
  TableOptions options_;
  RowsToWrite rows_;
  std::shared_ptr<SpilledRuns> spilled_;
};

}  // namespace tercet
