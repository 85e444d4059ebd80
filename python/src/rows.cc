#include "rows.h"

#include <cstring>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <datetime.h>
#include <nanobind/stl/string.h>

#include "base/time_text.h"
#include "errors.h"
#include "frame.h"

namespace tercet::python {
namespace {

constexpr int64_t kMicrosPerSecond = 1000000;

void ImportDatetime() {
  if (PyDateTimeAPI == nullptr) PyDateTime_IMPORT;
  if (PyDateTimeAPI == nullptr) throw nb::python_error();
}

std::string TypeNameOf(nb::handle value) {
  return nb::cast<std::string>(value.type().attr("__name__"));
}

enum class ValueKind { kNone, kBool, kInt, kDouble, kString, kBinary, kTime, kDate, kList, kMap };

/// Strips a NumPy scalar to the Python value that it holds, and an array to a list.
nb::object Plain(nb::handle value) {
  if (PyBool_Check(value.ptr()) || PyLong_CheckExact(value.ptr()) ||
      PyFloat_CheckExact(value.ptr()) || PyUnicode_CheckExact(value.ptr()) || value.is_none()) {
    return nb::borrow(value);
  }
  if (nb::hasattr(value, "dtype") && nb::hasattr(value, "tolist")) return value.attr("tolist")();
  if (nb::hasattr(value, "to_pydatetime")) return value.attr("to_pydatetime")();
  return nb::borrow(value);
}

ValueKind KindOf(const std::string& column, nb::handle value) {
  PyObject* object = value.ptr();
  if (value.is_none()) return ValueKind::kNone;
  if (PyBool_Check(object)) return ValueKind::kBool;
  if (PyLong_Check(object)) return ValueKind::kInt;
  if (PyFloat_Check(object)) return ValueKind::kDouble;
  if (PyUnicode_Check(object)) return ValueKind::kString;
  if (PyBytes_Check(object)) return ValueKind::kBinary;
  if (PyDateTime_Check(object)) return ValueKind::kTime;
  if (PyDate_Check(object)) return ValueKind::kDate;
  if (PyList_Check(object) || PyTuple_Check(object)) return ValueKind::kList;
  if (PyDict_Check(object)) return ValueKind::kMap;
  throw StatusError{Status::TypeError("column '", column, "' has a value of type ",
                                      TypeNameOf(value),
                                      "; rows hold bool, int, float, str, bytes, datetime, "
                                      "date, lists and dicts of these")};
}

int64_t DaysSinceEpoch(nb::handle date) {
  return nb::cast<int64_t>(date.attr("toordinal")()) - 719163;  // ordinal of 1970-01-01
}

int64_t MicrosOfDatetime(nb::handle time) {
  PyObject* object = time.ptr();
  int64_t micros = DaysSinceEpoch(time) * 86400 * kMicrosPerSecond;
  micros += (PyDateTime_DATE_GET_HOUR(object) * 3600LL + PyDateTime_DATE_GET_MINUTE(object) * 60LL +
             PyDateTime_DATE_GET_SECOND(object)) * kMicrosPerSecond +
            PyDateTime_DATE_GET_MICROSECOND(object);
  nb::object offset = time.attr("utcoffset")();
  if (!offset.is_none()) {
    micros -= PyDateTime_DELTA_GET_DAYS(offset.ptr()) * 86400LL * kMicrosPerSecond +
              PyDateTime_DELTA_GET_SECONDS(offset.ptr()) * kMicrosPerSecond +
              PyDateTime_DELTA_GET_MICROSECONDS(offset.ptr());
  }
  return micros;
}

template <typename Builder, typename Convert>
std::shared_ptr<arrow::Array> Build(Builder&& builder, const std::vector<nb::object>& values,
                                    const Convert& convert) {
  Check(builder.Reserve(values.size()));
  for (const nb::object& value : values) {
    Check(value.is_none() ? builder.AppendNull() : builder.Append(convert(value)));
  }
  return Unwrap(builder.Finish());
}

int64_t IntOf(nb::handle value) {
  const int64_t number = PyLong_AsLongLong(value.ptr());
  if (number != -1 || !PyErr_Occurred()) return number;
  PyErr_Clear();
  throw StatusError{Status::Invalid("the integer ", nb::cast<std::string>(nb::str(value)),
                                    " does not fit in 64 bits")};
}

constexpr int kMostNested = 16;  // lists in lists; one that holds itself has no end

/// `depth`: how many lists and dicts hold the values.
std::shared_ptr<arrow::Array> ColumnOf(const std::string& name,
                                       const std::vector<nb::object>& values, int depth = 0);

/// Where each value's items end; `parts` takes them and gives their number.
template <typename Parts>
std::shared_ptr<arrow::Array> EndsOf(const std::vector<nb::object>& values, const Parts& parts) {
  arrow::Int32Builder ends;
  int32_t end = 0;
  Check(ends.Append(0));
  for (const nb::object& value : values) {
    end += value.is_none() ? 0 : static_cast<int32_t>(parts(value));
    Check(ends.Append(end));
  }
  return Unwrap(ends.Finish());
}

/// The same list or map, null where the value is None.
std::shared_ptr<arrow::Array> WithNones(const std::shared_ptr<arrow::Array>& array,
                                        const std::vector<nb::object>& values) {
  arrow::TypedBufferBuilder<bool> valid;
  for (const nb::object& value : values) Check(valid.Append(!value.is_none()));
  auto data = array->data()->Copy();
  data->null_count = valid.false_count();
  data->buffers[0] = Unwrap(valid.Finish());
  return arrow::MakeArray(std::move(data));
}

std::shared_ptr<arrow::Array> ListsOf(const std::string& name,
                                      const std::vector<nb::object>& values, int depth) {
  std::vector<nb::object> items;
  const auto ends = EndsOf(values, [&](const nb::object& value) {
    const size_t before = items.size();
    for (nb::handle item : value) items.push_back(Plain(item));
    return items.size() - before;
  });
  return WithNones(Unwrap(arrow::ListArray::FromArrays(*ends, *ColumnOf(name, items, depth))),
                   values);
}

std::shared_ptr<arrow::Array> MapsOf(const std::string& name,
                                     const std::vector<nb::object>& values, int depth) {
  std::vector<nb::object> keys, items;
  const auto ends = EndsOf(values, [&](const nb::object& value) {
    const nb::dict map = nb::cast<nb::dict>(value);
    for (const auto& [key, item] : map) {
      if (key.is_none()) {
        throw StatusError{Status::TypeError("column '", name, "' has a dict with the key None")};
      }
      keys.push_back(Plain(key));
      items.push_back(Plain(item));
    }
    return nb::len(map);
  });
  return WithNones(
      Unwrap(arrow::MapArray::FromArrays(ends, ColumnOf(name, keys, depth),
                                         ColumnOf(name, items, depth))),
      values);
}

std::shared_ptr<arrow::Array> ColumnOf(const std::string& name,
                                       const std::vector<nb::object>& values, int depth) {
  if (depth > kMostNested) {
    throw StatusError{Status::Invalid("column '", name, "' has lists nested deeper than ",
                                      kMostNested)};
  }
  ValueKind kind = ValueKind::kNone;
  for (const nb::object& value : values) {
    const ValueKind one = KindOf(name, value);
    if (one == ValueKind::kNone || one == kind) continue;
    if (kind == ValueKind::kNone || (kind == ValueKind::kInt && one == ValueKind::kDouble)) {
      kind = one;
    } else if (!(kind == ValueKind::kDouble && one == ValueKind::kInt)) {
      throw StatusError{Status::TypeError("column '", name, "' mixes types: ", TypeNameOf(value),
                                          " after other values")};
    }
  }
  switch (kind) {
    case ValueKind::kNone:
      return std::make_shared<arrow::NullArray>(values.size());
    case ValueKind::kBool:
      return Build(arrow::BooleanBuilder(), values,
                   [](nb::handle value) { return value.ptr() == Py_True; });
    case ValueKind::kInt:
      return Build(arrow::Int64Builder(), values, &IntOf);
    case ValueKind::kDouble:
      return Build(arrow::DoubleBuilder(), values,
                   [](nb::handle value) { return PyFloat_AsDouble(value.ptr()); });
    case ValueKind::kString:
      return Build(arrow::StringBuilder(), values, &Utf8Of);
    case ValueKind::kBinary:
      return Build(arrow::BinaryBuilder(), values, [](nb::handle value) {
        return std::string_view(PyBytes_AS_STRING(value.ptr()), PyBytes_GET_SIZE(value.ptr()));
      });
    case ValueKind::kTime:
      return Build(arrow::TimestampBuilder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                           arrow::default_memory_pool()),
                   values, &MicrosOfDatetime);
    case ValueKind::kDate:
      return Build(arrow::Date32Builder(), values,
                   [](nb::handle value) { return static_cast<int32_t>(DaysSinceEpoch(value)); });
    case ValueKind::kList:
      return ListsOf(name, values, depth + 1);
    case ValueKind::kMap:
      return MapsOf(name, values, depth + 1);
  }
  throw StatusError{Status::UnknownError("unreachable kind of value")};
}

nb::object DatetimeOf(int64_t micros, bool zoned) {
  // Through timedelta, so that times before 1970 and fractions are exact.
  nb::module_ datetime = nb::module_::import_("datetime");
  nb::object epoch = zoned ? datetime.attr("datetime")(1970, 1, 1, 0, 0, 0, 0,
                                                       datetime.attr("timezone").attr("utc"))
                           : datetime.attr("datetime")(1970, 1, 1);
  return epoch + datetime.attr("timedelta")(0, 0, micros);
}

}  // namespace

std::string_view Utf8Of(nb::handle value) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (text == nullptr) throw nb::python_error();
  return {text, static_cast<size_t>(size)};
}

std::shared_ptr<arrow::RecordBatch> BatchOfRows(nb::handle rows) {
  ImportDatetime();
  nb::list list;
  if (nb::isinstance<nb::dict>(rows)) {
    list.append(rows);
  } else {
    list = nb::cast<nb::list>(rows);
  }
  std::vector<std::string> names;
  std::vector<std::vector<nb::object>> columns;
  const size_t count = nb::len(list);
  for (size_t i = 0; i < count; ++i) {
    nb::handle row = list[i];
    if (!nb::isinstance<nb::dict>(row)) {
      throw StatusError{Status::TypeError("row ", i, " must be a dict, not ", TypeNameOf(row))};
    }
    for (const auto& [key, value] : nb::cast<nb::dict>(row)) {
      if (!PyUnicode_Check(key.ptr())) {
        throw StatusError{Status::TypeError("row ", i, " has a key that is no str")};
      }
      const std::string_view name = Utf8Of(key);
      size_t c = 0;
      while (c < names.size() && names[c] != name) ++c;
      if (c == names.size()) {
        names.emplace_back(name);
        columns.emplace_back(count, nb::none());
      }
      columns[c][i] = Plain(value);
    }
  }
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t c = 0; c < names.size(); ++c) {
    arrays.push_back(ColumnOf(names[c], columns[c]));
    fields.push_back(arrow::field(names[c], arrays.back()->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), count, arrays);
}

static nb::list ListOf(const arrow::Array& items) {
  nb::list values;
  for (int64_t k = 0; k < items.length(); ++k) values.append(ValueOf(items, k));
  return values;
}

nb::object ValueOf(const arrow::Array& array, int64_t i) {
  if (HasValueOfCell(*array.type())) return ValueOfCell(*array.type(), CellOf(array, i));
  if (array.IsNull(i)) return nb::none();
  using arrow::Type;
  switch (array.type_id()) {
    case Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
      int64_t value = static_cast<const arrow::TimestampArray&>(array).Value(i);
      switch (type.unit()) {
        case arrow::TimeUnit::SECOND: value *= kMicrosPerSecond; break;
        case arrow::TimeUnit::MILLI: value *= 1000; break;
        case arrow::TimeUnit::MICRO: break;
        case arrow::TimeUnit::NANO: value = (value - ((value % 1000) + 1000) % 1000) / 1000; break;
      }
      return DatetimeOf(value, !type.timezone().empty());
    }
    case Type::DATE32: {
      nb::object date = nb::module_::import_("datetime").attr("date");
      return date.attr("fromordinal")(static_cast<const arrow::Date32Array&>(array).Value(i) +
                                      719163);
    }
    case Type::DECIMAL128: {
      const std::string text = static_cast<const arrow::Decimal128Array&>(array).FormatValue(i);
      return nb::module_::import_("decimal").attr("Decimal")(text.c_str());
    }
    case Type::LIST:
      return ListOf(*static_cast<const arrow::ListArray&>(array).value_slice(i));
    case Type::LARGE_LIST:
      return ListOf(*static_cast<const arrow::LargeListArray&>(array).value_slice(i));
    case Type::FIXED_SIZE_LIST:
      return ListOf(*static_cast<const arrow::FixedSizeListArray&>(array).value_slice(i));
    case Type::MAP: {
      const auto& maps = static_cast<const arrow::MapArray&>(array);
      nb::dict values;
      for (int64_t k = maps.value_offset(i); k < maps.value_offset(i + 1); ++k) {
        values[ValueOf(*maps.keys(), k)] = ValueOf(*maps.items(), k);
      }
      return values;
    }
    case Type::STRUCT: {
      const auto& structs = static_cast<const arrow::StructArray&>(array);
      nb::dict values;
      for (int k = 0; k < structs.num_fields(); ++k) {
        const std::string& name = structs.type()->field(k)->name();
        values[nb::str(name.data(), name.size())] = ValueOf(*structs.field(k), i);
      }
      return values;
    }
    default: {
      const std::shared_ptr<arrow::Scalar> scalar = Unwrap(array.GetScalar(i));
      return nb::cast(scalar->ToString());
    }
  }
}

nb::list RowsOf(const arrow::RecordBatch& batch) {
  std::vector<nb::str> names;
  for (const auto& field : batch.schema()->fields()) {
    names.push_back(nb::str(field->name().data(), field->name().size()));
  }
  nb::list rows;
  for (int64_t i = 0; i < batch.num_rows(); ++i) {
    nb::dict row;
    for (int c = 0; c < batch.num_columns(); ++c) row[names[c]] = ValueOf(*batch.column(c), i);
    rows.append(row);
  }
  return rows;
}

}  // namespace tercet::python
