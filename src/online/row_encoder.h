#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/cell.h"
#include "online/row_layout.h"

namespace tercet {

/// Rows of one batch as bytes (row_layout.h). Holds the batch; not thread-safe.
class RowEncoder {
 public:
  /// Finds the layout's columns in `batch` by name; one that it lacks is null in every row, others
  /// that it has are ignored. TypeError when a column has another type than the layout's.
  static Result<RowEncoder> Make(std::shared_ptr<const RowLayout> layout,
                                 std::shared_ptr<arrow::RecordBatch> batch);

  /// Appends the bytes of row `i`. CapacityError when a row's variable part is over 2 GiB.
  Status Append(int64_t i, std::string* out) const;

 private:
  std::shared_ptr<const RowLayout> layout_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::vector<std::shared_ptr<arrow::Array>> arrays_;  // null: the batch lacks the column
};

/// Appends the bytes of a row from cells in the order of the layout's columns, each as another row
/// of the same types has it (RowProjection::AppendCells). CapacityError as for RowEncoder::Append.
Status AppendRow(const RowLayout& layout, std::span<const Cell> cells, std::string* out);

}  // namespace tercet
