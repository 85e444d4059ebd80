#pragma once

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "base/cell.h"

/// What tests of evaluation on cells share: a batch's row as cells, and proof that a cell is a
/// column's value, bit for bit.
namespace tercet {

inline std::vector<Cell> RowOfCells(const arrow::RecordBatch& batch, int64_t row) {
  std::vector<Cell> cells;
  for (int c = 0; c < batch.num_columns(); ++c) {
    const bool fits = IsCellType(*batch.column(c)->type());
    cells.push_back(fits ? CellOf(*batch.column(c), row) : Cell());
  }
  return cells;
}

inline void ExpectSameCell(const arrow::Array& column, int64_t row, const Cell& cell) {
  const Cell expected = CellOf(column, row);
  ASSERT_EQ(expected.null(), cell.null()) << "row " << row;
  ASSERT_EQ(expected.size, cell.size) << "row " << row;
  if (cell.null()) return;
  ASSERT_EQ(std::memcmp(expected.data, cell.data, cell.size), 0) << "row " << row;
}

}  // namespace tercet
