#pragma once

#include <memory>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <nanobind/nanobind.h>

#include "platform/platform.h"

namespace tercet::python {

namespace nb = nanobind;

/// A table that Python holds and hands on through the Arrow PyCapsule interface, without copying.
struct CoreFrame {
  std::shared_ptr<arrow::Table> table;
};

/// Anything with __arrow_c_stream__ or __arrow_c_array__, and rows of plain Python values for
/// `taker` (BatchOfRows), as a reader. TypeError otherwise.
RecordBatchReader ReaderOf(nb::handle data, const arrow::Schema* taker = nullptr);
/// Whether this is a dict or a list of dicts.
bool AreRows(nb::handle data);
/// The same, read whole; null for None.
Frame TableOf(nb::handle data);
/// The same as one batch; a dict or a list of dicts (rows of plain Python values) as well.
std::shared_ptr<arrow::RecordBatch> BatchOf(nb::handle data);

CoreFrame FrameOf(std::shared_ptr<arrow::Table> table);
CoreFrame FrameOf(const std::shared_ptr<arrow::RecordBatch>& batch);

/// Rows as a list of dicts of plain Python values.
nb::list RowsOf(const arrow::RecordBatch& batch);

void BindFrame(nb::module_& module);

}  // namespace tercet::python
