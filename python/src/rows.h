#pragma once

#include <memory>
#include <vector>

#include <arrow/record_batch.h>
#include <nanobind/nanobind.h>

#include "base/cell.h"

namespace tercet::python {

namespace nb = nanobind;

/// A dict (one row) or a list of dicts as a batch. A column's type is that of its values: bool,
/// int64, double (ints among floats too), string, binary, timestamp[us, UTC] (datetime; naive means
/// UTC), date32; all None is null. NumPy scalars count as what they hold. Rows may leave columns
/// out: they are None there. TypeError for other values or a mixture, naming the column.
std::shared_ptr<arrow::RecordBatch> BatchOfRows(nb::handle rows);

/// The cells of a dict that has exactly the columns of `known`; numbers are put into `numbers`,
/// strings stay in the dict's own memory. False for anything that this short way is not for, also
/// what does not fit: BatchOfRows takes it or says why not.
bool CellsOfDict(nb::handle dict, const arrow::Schema& known, std::vector<Cell>* cells,
                 std::vector<uint64_t>* numbers);

/// Whether a cell of this type has a plain Python value, and that value.
bool HasValueOfCell(const arrow::DataType& type);
nb::object ValueOfCell(const arrow::DataType& type, const Cell& cell);

/// One value of a column as a plain Python value (lists, decimals and times too).
nb::object ValueOf(const arrow::Array& array, int64_t i);

}  // namespace tercet::python
