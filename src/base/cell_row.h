#pragma once

#include <memory>
#include <span>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/cell.h"
#include "base/result.h"

namespace tercet {

/// One cell as an array of its type (IsCellType), with a copy of its bytes. Fails when there is no
/// memory.
Result<std::shared_ptr<arrow::Array>> ArrayOfCell(const std::shared_ptr<arrow::DataType>& type,
                                                  const Cell& cell);

/// A batch of cells, row by row, one for each of the schema's fields; no cells are one row of a
/// schema that has none.
Result<std::shared_ptr<arrow::RecordBatch>> BatchOfCells(
    const std::shared_ptr<arrow::Schema>& schema, std::span<const Cell> cells);

}  // namespace tercet
