#pragma once

#include <memory>

#include <arrow/record_batch.h>
#include <nanobind/nanobind.h>

namespace tercet::python {

namespace nb = nanobind;

/// A dict (one row) or a list of dicts as a batch. A column's type is that of its values: bool,
/// int64, double (ints among floats too), string, binary, timestamp[us, UTC] (datetime; naive means
/// UTC), date32; all None is null. NumPy scalars count as what they hold. Rows may leave columns
/// out: they are None there. TypeError for other values or a mixture, naming the column.
std::shared_ptr<arrow::RecordBatch> BatchOfRows(nb::handle rows);

/// One value of a column as a plain Python value (lists, decimals and times too).
nb::object ValueOf(const arrow::Array& array, int64_t i);

}  // namespace tercet::python
