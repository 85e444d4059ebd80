#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>

#include "catalog/training_dataset.h"

namespace tercet {

/// The columns that a split goes by.
struct SplitColumns {
  /// timestamp[us, UTC], or null where rows have none: a split by time is Invalid then, as it is
  /// for a null event time.
  std::shared_ptr<arrow::ChunkedArray> event_time;
  /// SplitDefinition::column; null where the split needs none.
  std::shared_ptr<arrow::ChunkedArray> column;
};

using RowIndices = std::shared_ptr<arrow::Int64Array>;

/// Which rows of `rows` rows belong to which part: per part of SplitDefinition::PartNames their
/// indices in ascending order, so that a part keeps the order of the whole. Depends on nothing but
/// the arguments.
Result<std::vector<RowIndices>> SplitRows(const SplitDefinition& split, int64_t seed, int64_t rows,
                                          const SplitColumns& columns);

/// That a split by shares or into folds leaves no part without rows, where there are rows: Invalid
/// naming the part and why. Parts between given times may be empty. For new datasets: those that
/// are registered are made again as they are.
Status CheckParts(const SplitDefinition& split, int64_t rows,
                  const std::vector<RowIndices>& parts);

/// The rows that a fold's model is trained on and tested on; SplitDefinition says which.
struct FoldRows {
  RowIndices train;
  RowIndices test;
};
/// Invalid when the split has no such fold.
Result<FoldRows> RowsOfFold(const SplitDefinition& split, int64_t seed, int64_t rows,
                            const SplitColumns& columns, int64_t fold);

/// The rows with these ascending indices. Shares the table's memory where they are consecutive.
Result<std::shared_ptr<arrow::Table>> TakeRows(const std::shared_ptr<arrow::Table>& table,
                                               const arrow::Int64Array& indices);

}  // namespace tercet
