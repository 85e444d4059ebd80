#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/row_keys.h"

namespace tercet {

/// What a change does to rows, as the change feed tells it.

/// The rows that readers saw among those found in several files, older files first: of each
/// position the winning one, in order.
Result<std::shared_ptr<arrow::RecordBatch>> VisibleRows(
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& found, const TableOptions& options);

/// Rows with what became of each.
struct RowImages {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::vector<const char*> types;  ///< "update_preimage" …, one a row
};

/// Old and new rows side by side in order of position, the old row before the new. Both have each
/// position once.
Result<RowImages> UpsertImages(const std::shared_ptr<arrow::RecordBatch>& before,
                               const std::shared_ptr<arrow::RecordBatch>& after,
                               const TableOptions& options);

/// What an upsert matches rows by, in Delta's operationParameters.
std::string UpsertPredicate(const TableOptions& options);

/// The key columns of one row, for messages.
std::string PositionText(const arrow::RecordBatch& rows, int64_t row, const TableOptions& options);

}  // namespace tercet
