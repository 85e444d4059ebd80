#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/plain_column.h"

namespace tercet {

/// The rows of these numbers, in this order. Sorting a frame is mostly this: far reads from each
/// column, which are asked for ahead where values are of four or eight bytes (up to twice as fast
/// as Arrow's kernel, which takes the other types).
Result<std::shared_ptr<arrow::RecordBatch>> GatherRows(const arrow::RecordBatch& rows,
                                                       std::span<const uint32_t> numbers);

/// A column of some rows, decoded or where it lies in a mapped file: one of both.
struct ColumnRows {
  std::shared_ptr<arrow::Array> array;
  std::shared_ptr<const PlainColumn> plain;
};

/// Rows of one place, column by column.
struct SourceRows {
  static SourceRows Of(const arrow::RecordBatch& rows);

  std::vector<ColumnRows> columns;
};

/// `count` rows of a source, from row `begin` on.
struct RowSlice {
  uint32_t source = 0;
  uint32_t begin = 0;
  uint32_t count = 0;
};

/// These rows of these sources end to end: each value is copied once, from where it is to where it
/// is to be, and rows that stand together are copied together. The sources' columns are the
/// schema's. Null slots of a column that lies in a file become zero bytes.
Result<std::shared_ptr<arrow::RecordBatch>> GatherSlices(
    const std::shared_ptr<arrow::Schema>& schema, const std::vector<const SourceRows*>& sources,
    std::span<const RowSlice> slices);

}  // namespace tercet
