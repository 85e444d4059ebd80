#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>
#include <nanobind/nanobind.h>

#include "base/cell.h"

namespace tercet::python {

namespace nb = nanobind;

/// A dict (one row) or a list of dicts as a batch. A column's type is that of its values: bool,
/// int64 (uint64 where it must be), double (ints among floats too), decimal, string, binary,
/// timestamp[us, UTC] (datetime; naive means UTC), date32, time64[us], duration[us], list (lists,
/// tuples, arrays), map (dicts); all None is null. NumPy scalars count as what they hold, pandas'
/// NA and NaT as None. Rows may leave columns out: they are None there. TypeError for other values
/// or a mixture, naming the column. What Python's types leave open, the columns of `taker` say,
/// where it is known: floats of 32 bits, and times without a zone.
std::shared_ptr<arrow::RecordBatch> BatchOfRows(nb::handle rows,
                                                const arrow::Schema* taker = nullptr);

/// One row as Python has it: a dict by names, or the values of a list, tuple or array (one
/// dimension, numbers) in the order of the columns. Made, asked and ended with the interpreter's
/// lock held; its values stay until then.
class ValuesOfRow {
 public:
  explicit ValuesOfRow(nb::handle row);
  ~ValuesOfRow();
  ValuesOfRow(const ValuesOfRow&) = delete;
  ValuesOfRow& operator=(const ValuesOfRow&) = delete;

  bool is_dict() const { return values_.is_valid() && PyDict_CheckExact(values_.ptr()); }
  /// The cells of a row that has exactly the columns of `known`; numbers are put into `numbers`,
  /// strings stay in Python's memory until the next call. False for anything that this short way is
  /// not for, also what does not fit: BatchOfRows takes it or says why not.
  bool Cells(const arrow::Schema& known, std::vector<Cell>* cells,
             std::vector<uint64_t>* numbers) const;

 private:
  nb::object values_;  // a dict or tuple
  mutable std::vector<nb::object> kept_;  // of a dict, what cells point into
  Py_buffer buffer_{};
  bool has_buffer_ = false;
};

/// The bytes of a str, in its own memory. Invalid for one that is not UTF-8.
std::string_view Utf8Of(nb::handle value);

/// Whether a cell of this type has a plain Python value, and that value.
bool HasValueOfCell(const arrow::DataType& type);
nb::object ValueOfCell(const arrow::DataType& type, const Cell& cell);

/// One value of a column as a plain Python value (lists; dicts for maps and structs; decimals and
/// times, too).
nb::object ValueOf(const arrow::Array& array, int64_t i);

}  // namespace tercet::python
