#pragma once

#include <memory>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/row_keys.h"
#include "offline/table.h"

namespace tercet {

/// Makes a user's batches rows of `schema`, as AlignRows does.
class RowAligner {
 public:
  /// Invalid when the frame's columns don't fit, naming the column.
  static Result<RowAligner> Make(const arrow::Schema& frame, const arrow::Schema& schema,
                                 ColumnDefaults defaults);
  Result<std::shared_ptr<arrow::RecordBatch>> Align(const arrow::RecordBatch& batch) const;
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  ColumnDefaults defaults_;
};

/// Reads a user's rows whole and makes them rows of `schema`: its columns in its order, values
/// widened without loss. A missing column that `defaults` names gets that value; of another, and of
/// one that is unknown, repeated, or of a type that does not fit, Invalid, naming the column.
Result<std::shared_ptr<arrow::RecordBatch>> AlignRows(arrow::RecordBatchReader* rows,
                                                      const arrow::Schema& schema,
                                                      const ColumnDefaults& defaults = {});

/// Primary keys to look rows up by: the key columns of a batch, widened to the table's types; rows
/// with a null key are left out (no row has it). Sorted, each once, without event time.
Result<std::shared_ptr<const RowKeys>> KeysToFind(const std::shared_ptr<arrow::RecordBatch>& keys,
                                                  const arrow::Schema& schema,
                                                  const TableOptions& options);

}  // namespace tercet
