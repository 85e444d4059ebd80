#include <cstring>
#include <string_view>
#include <vector>

#include <arrow/api.h>

#include "rows.h"

namespace tercet::python {
namespace {

/// A value as a cell of a column; numbers are put into `number`. False where it does not fit so.
bool CellOfValue(PyObject* object, arrow::Type::type type, uint64_t* number, Cell* cell) {
  constexpr int64_t kExactInDouble = int64_t{1} << 53;
  const auto put = [&](auto value) {
    std::memcpy(number, &value, sizeof(value));
    *cell = {reinterpret_cast<const char*>(number), sizeof(value)};
    return true;
  };
  if (object == Py_None) return true;
  int64_t whole = 0;
  const bool is_int = PyLong_CheckExact(object);
  if (is_int) {
    int overflow = 0;
    whole = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0) return false;
  }
  switch (type) {
    case arrow::Type::INT64:
      return is_int && put(whole);
    case arrow::Type::INT32:
      return is_int && whole == static_cast<int32_t>(whole) && put(static_cast<int32_t>(whole));
    case arrow::Type::DOUBLE:
      // NumPy's float64 is a float, too.
      if (PyFloat_Check(object)) return put(PyFloat_AS_DOUBLE(object));
      return is_int && whole >= -kExactInDouble && whole <= kExactInDouble &&
             put(static_cast<double>(whole));
    case arrow::Type::FLOAT:
      return PyFloat_Check(object) && put(static_cast<float>(PyFloat_AS_DOUBLE(object)));
    case arrow::Type::BOOL:
      return PyBool_Check(object) && put(static_cast<uint8_t>(object == Py_True));
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING: {
      if (!PyUnicode_CheckExact(object)) return false;
      const std::string_view text = Utf8Of(object);
      *cell = {text.data(), static_cast<uint32_t>(text.size())};
      return true;
    }
    default:
      return false;
  }
}

/// `kept`: takes references to the values that cells point into.
bool CellsOfDict(PyObject* dict, const arrow::Schema& known, std::vector<Cell>* cells,
                 std::vector<uint64_t>* numbers, std::vector<nb::object>* kept) {
  const auto columns = static_cast<size_t>(known.num_fields());
  if (static_cast<size_t>(PyDict_GET_SIZE(dict)) != columns) return false;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t position = 0;
  // Rows mostly have the order of the schema: the next name is looked for where the last was found.
  size_t next = 0;
  while (PyDict_Next(dict, &position, &key, &value)) {
    if (!PyUnicode_CheckExact(key)) return false;
    const std::string_view name = Utf8Of(key);
    size_t tried = 0;
    while (tried < columns && known.field(static_cast<int>(next))->name() != name) {
      next = next + 1 == columns ? 0 : next + 1;
      ++tried;
    }
    if (tried == columns) return false;
    const arrow::Type::type type = known.field(static_cast<int>(next))->type()->id();
    if (!CellOfValue(value, type, &(*numbers)[next], &(*cells)[next])) return false;
    if (PyUnicode_CheckExact(value)) kept->push_back(nb::borrow(value));
    next = next + 1 == columns ? 0 : next + 1;
  }
  return true;
}

bool CellsOfSequence(PyObject* sequence, const arrow::Schema& known, std::vector<Cell>* cells,
                     std::vector<uint64_t>* numbers) {
  const auto columns = static_cast<size_t>(known.num_fields());
  if (static_cast<size_t>(PySequence_Fast_GET_SIZE(sequence)) != columns) return false;
  for (size_t i = 0; i < columns; ++i) {
    PyObject* value = PySequence_Fast_GET_ITEM(sequence, static_cast<Py_ssize_t>(i));
    const arrow::Type::type type = known.field(static_cast<int>(i))->type()->id();
    if (!CellOfValue(value, type, &(*numbers)[i], &(*cells)[i])) return false;
  }
  return true;
}

/// An array's numbers are used where they lie.
bool CellsOfBuffer(const Py_buffer& buffer, const arrow::Schema& known,
                   std::vector<Cell>* cells) {
  const auto columns = static_cast<Py_ssize_t>(known.num_fields());
  if (buffer.ndim != 1 || buffer.shape[0] != columns || buffer.format == nullptr) return false;
  const std::string_view format = buffer.format;
  const bool int64 = (format == "l" || format == "q") && buffer.itemsize == 8;
  const arrow::Type::type type = format == "d"   ? arrow::Type::DOUBLE
                                 : format == "f" ? arrow::Type::FLOAT
                                 : int64         ? arrow::Type::INT64
                                                 : arrow::Type::NA;
  const auto* values = static_cast<const char*>(buffer.buf);
  for (Py_ssize_t i = 0; i < columns; ++i) {
    if (known.field(static_cast<int>(i))->type()->id() != type) return false;
    (*cells)[static_cast<size_t>(i)] = {values + i * buffer.itemsize,
                                        static_cast<uint32_t>(buffer.itemsize)};
  }
  return true;
}

}  // namespace

ValuesOfRow::ValuesOfRow(nb::handle row) {
  PyObject* object = row.ptr();
  // Another thread may change what was given: of a dict, the values that are needed longer are kept
  // (a copy took twice as long as a vector's other arguments); of a list, a copy of its references.
  if (PyDict_CheckExact(object)) {
    values_ = nb::borrow(row);
  } else if (PyList_CheckExact(object) || PyTuple_CheckExact(object)) {
    values_ = nb::steal(PySequence_Tuple(object));
  } else if (PyObject_CheckBuffer(object) &&
             PyObject_GetBuffer(object, &buffer_, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) == 0) {
    has_buffer_ = true;
    return;
  } else {
    PyErr_Clear();  // an array that lies otherwise
    return;
  }
  if (!values_.is_valid()) throw nb::python_error();
}

ValuesOfRow::~ValuesOfRow() {
  if (has_buffer_) PyBuffer_Release(&buffer_);
}

bool ValuesOfRow::Cells(const arrow::Schema& known, std::vector<Cell>* cells,
                        std::vector<uint64_t>* numbers) const {
  const auto columns = static_cast<size_t>(known.num_fields());
  cells->assign(columns, Cell());
  numbers->resize(columns);
  if (has_buffer_) return CellsOfBuffer(buffer_, known, cells);
  if (!values_.is_valid()) return false;
  kept_.clear();
  if (PyTuple_CheckExact(values_.ptr())) {
    return CellsOfSequence(values_.ptr(), known, cells, numbers);
  }
  return CellsOfDict(values_.ptr(), known, cells, numbers, &kept_);
}

bool HasValueOfCell(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::DOUBLE:
    case arrow::Type::FLOAT:
    case arrow::Type::INT64:
    case arrow::Type::INT32:
    case arrow::Type::INT16:
    case arrow::Type::INT8:
    case arrow::Type::UINT64:
    case arrow::Type::UINT32:
    case arrow::Type::UINT16:
    case arrow::Type::UINT8:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::BINARY:
      return true;
    default:
      return false;
  }
}

nb::object ValueOfCell(const arrow::DataType& type, const Cell& cell) {
  if (cell.null()) return nb::none();
  using arrow::Type;
  switch (type.id()) {
    case Type::BOOL:
      return nb::cast(cell.As<uint8_t>() != 0);
    case Type::DOUBLE:
      return nb::cast(cell.As<double>());
    case Type::FLOAT:
      return nb::cast(static_cast<double>(cell.As<float>()));
    case Type::INT64:
      return nb::cast(cell.As<int64_t>());
    case Type::INT32:
      return nb::cast(cell.As<int32_t>());
    case Type::INT16:
      return nb::cast(cell.As<int16_t>());
    case Type::INT8:
      return nb::cast(static_cast<int>(cell.As<int8_t>()));
    case Type::UINT64:
      return nb::cast(cell.As<uint64_t>());
    case Type::UINT32:
      return nb::cast(cell.As<uint32_t>());
    case Type::UINT16:
      return nb::cast(cell.As<uint16_t>());
    case Type::UINT8:
      return nb::cast(static_cast<int>(cell.As<uint8_t>()));
    case Type::STRING:
    case Type::LARGE_STRING:
      return nb::str(cell.data, cell.size);
    default:  // binary
      return nb::bytes(cell.data, cell.size);
  }
}

}  // namespace tercet::python
