#include "rows.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <datetime.h>
#include <nanobind/stl/string.h>

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

enum class ValueKind {
  kNone, kBool, kInt, kDouble, kDecimal, kString, kBinary, kTime, kDate, kTimeOfDay, kDuration,
  kList, kMap,
};

/// Whether NumPy counts these times in less than microseconds, so that Python has plain integers
/// for them (pandas' columns give its own times).
bool AreFinerThanMicros(nb::handle value) {
  if (!nb::hasattr(value, "tobytes")) return false;
  const nb::object dtype = value.attr("dtype");
  const auto type = nb::cast<std::string>(nb::str(nb::handle(dtype)));
  const std::string unit = type.substr(type.find('[') + 1, 3);
  return unit == "ns]" || unit == "ps]" || unit == "fs]" || unit == "as]";
}

nb::object InMicros(nb::handle value) {
  const auto kind = nb::cast<std::string>(value.attr("dtype").attr("kind"));
  const nb::object micros = value.attr("astype")((kind + "8[us]").c_str());
  if (!micros.attr("astype")(value.attr("dtype")).attr("tobytes")().equal(
          value.attr("tobytes")())) {
    throw StatusError{Status::Invalid("the time ", nb::cast<std::string>(nb::str(value)),
                                      " is no whole number of microseconds")};
  }
  return micros.attr("tolist")();
}

/// Strips a NumPy scalar to the Python value that it holds, and an array to a list. pandas' NA and
/// NaT are None.
nb::object Plain(nb::handle value) {
  if (PyBool_Check(value.ptr()) || PyLong_CheckExact(value.ptr()) ||
      PyFloat_CheckExact(value.ptr()) || PyUnicode_CheckExact(value.ptr()) || value.is_none()) {
    return nb::borrow(value);
  }
  if (nb::hasattr(value, "dtype") && nb::hasattr(value, "tolist")) {
    return AreFinerThanMicros(value) ? InMicros(value) : value.attr("tolist")();
  }
  const std::string type = TypeNameOf(value);
  if (type == "NAType" || type == "NaTType") return nb::none();
  if (nb::hasattr(value, "to_pydatetime")) return value.attr("to_pydatetime")();
  if (nb::hasattr(value, "to_pytimedelta")) return value.attr("to_pytimedelta")();
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
  if (PyTime_Check(object)) return ValueKind::kTimeOfDay;
  if (PyDelta_Check(object)) return ValueKind::kDuration;
  if (PyList_Check(object) || PyTuple_Check(object)) return ValueKind::kList;
  if (PyDict_Check(object)) return ValueKind::kMap;
  if (TypeNameOf(value) == "Decimal") return ValueKind::kDecimal;
  throw StatusError{Status::TypeError("column '", column, "' has a value of type ",
                                      TypeNameOf(value),
                                      "; rows hold bool, int, float, Decimal, str, bytes, "
                                      "datetime, date, time, timedelta, lists and dicts of "
                                      "these")};
}

int64_t DaysSinceEpoch(nb::handle date) {
  return nb::cast<int64_t>(date.attr("toordinal")()) - 719163;  // ordinal of 1970-01-01
}

int64_t MicrosOfTimedelta(nb::handle delta) {
  PyObject* object = delta.ptr();
  return (PyDateTime_DELTA_GET_DAYS(object) * 86400LL + PyDateTime_DELTA_GET_SECONDS(object)) *
             kMicrosPerSecond +
         PyDateTime_DELTA_GET_MICROSECONDS(object);
}

int64_t MicrosOfDatetime(nb::handle time) {
  PyObject* object = time.ptr();
  int64_t micros = DaysSinceEpoch(time) * 86400 * kMicrosPerSecond;
  micros += (PyDateTime_DATE_GET_HOUR(object) * 3600LL + PyDateTime_DATE_GET_MINUTE(object) * 60LL +
             PyDateTime_DATE_GET_SECOND(object)) * kMicrosPerSecond +
            PyDateTime_DATE_GET_MICROSECOND(object);
  nb::object offset = time.attr("utcoffset")();
  return offset.is_none() ? micros : micros - MicrosOfTimedelta(offset);
}

int64_t MicrosOfTime(nb::handle time) {
  PyObject* object = time.ptr();
  if (!time.attr("tzinfo").is_none()) {
    throw StatusError{Status::TypeError("the time of day ", nb::cast<std::string>(nb::str(time)),
                                        " has a zone, which a column of times has not")};
  }
  return (PyDateTime_TIME_GET_HOUR(object) * 3600LL + PyDateTime_TIME_GET_MINUTE(object) * 60LL +
          PyDateTime_TIME_GET_SECOND(object)) * kMicrosPerSecond +
         PyDateTime_TIME_GET_MICROSECOND(object);
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

/// int64, or uint64 where a value is beyond it and none is negative.
std::shared_ptr<arrow::Array> IntsOf(const std::vector<nb::object>& values) {
  bool beyond = false, negative = false;
  for (const nb::object& value : values) {
    if (value.is_none()) continue;
    int overflow = 0;
    const int64_t number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    beyond = beyond || overflow > 0;
    negative = negative || overflow < 0 || (overflow == 0 && number < 0);
  }
  if (!beyond || negative) return Build(arrow::Int64Builder(), values, &IntOf);
  return Build(arrow::UInt64Builder(), values, [](nb::handle value) {
    const uint64_t number = PyLong_AsUnsignedLongLong(value.ptr());
    if (PyErr_Occurred()) IntOf(value);  // which says so
    return number;
  });
}

/// Decimals of as many digits as the values need.
std::shared_ptr<arrow::Array> DecimalsOf(const std::string& name,
                                         const std::vector<nb::object>& values) {
  struct Parsed {
    arrow::Decimal128 value;
    int32_t scale = 0;
  };
  std::vector<Parsed> parsed(values.size());
  int32_t whole = 0, scale = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].is_none()) continue;
    const auto text = nb::cast<std::string>(values[i].attr("__format__")("f"));
    int32_t digits = 0;
    const Status status =
        arrow::Decimal128::FromString(text, &parsed[i].value, &digits, &parsed[i].scale);
    Check(Explain(status, "column '" + name + "'"));
    whole = std::max(whole, digits - parsed[i].scale);
    scale = std::max(scale, parsed[i].scale);
  }
  const auto type = arrow::DecimalType::Make(arrow::Type::DECIMAL128, std::max(1, whole + scale),
                                             scale);
  Check(Explain(type.status(), "column '" + name + "'"));
  arrow::Decimal128Builder builder(*type);
  for (size_t i = 0; i < values.size(); ++i) {
    Check(values[i].is_none()
              ? builder.AppendNull()
              : builder.Append(Unwrap(parsed[i].value.Rescale(parsed[i].scale, scale))));
  }
  return Unwrap(builder.Finish());
}

constexpr int kMostNested = 16;  // lists in lists; one that holds itself has no end

/// `wanted`: the type of the column that takes them, null where that is not known. `depth`: how
/// many lists and dicts hold the values.
std::shared_ptr<arrow::Array> ColumnOf(const std::string& name,
                                       const std::vector<nb::object>& values,
                                       const arrow::DataType* wanted, int depth = 0);

/// Whether a column takes times without a zone, and these have none.
bool WithoutZone(const std::vector<nb::object>& values, const arrow::DataType* wanted) {
  return wanted != nullptr && wanted->id() == arrow::Type::TIMESTAMP &&
         static_cast<const arrow::TimestampType*>(wanted)->timezone().empty() &&
         std::ranges::all_of(values, [](const nb::object& value) {
           return value.is_none() || value.attr("tzinfo").is_none();
         });
}

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
                                      const std::vector<nb::object>& values,
                                      const arrow::DataType* wanted, int depth) {
  const bool typed = wanted != nullptr && arrow::is_list_like(wanted->id());
  const arrow::DataType* item = typed ? wanted->field(0)->type().get() : nullptr;
  std::vector<nb::object> items;
  const auto ends = EndsOf(values, [&](const nb::object& value) {
    const size_t before = items.size();
    for (nb::handle item : value) items.push_back(Plain(item));
    return items.size() - before;
  });
  return WithNones(
      Unwrap(arrow::ListArray::FromArrays(*ends, *ColumnOf(name, items, item, depth))), values);
}

std::shared_ptr<arrow::Array> MapsOf(const std::string& name,
                                     const std::vector<nb::object>& values,
                                     const arrow::DataType* item_type, int depth) {
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
      Unwrap(arrow::MapArray::FromArrays(ends, ColumnOf(name, keys, nullptr, depth),
                                         ColumnOf(name, items, item_type, depth))),
      values);
}

/// A member for each key, in the order in which they first come; null in the dicts without it.
std::shared_ptr<arrow::Array> StructsOf(const std::string& name,
                                        const std::vector<nb::object>& values,
                                        const arrow::StructType* wanted, int depth) {
  std::vector<std::string> names;
  std::vector<std::vector<nb::object>> members;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].is_none()) continue;
    for (const auto& [key, item] : nb::cast<nb::dict>(values[i])) {
      const std::string_view member = Utf8Of(key);
      size_t m = 0;
      while (m < names.size() && names[m] != member) ++m;
      if (m == names.size()) {
        names.emplace_back(member);
        members.emplace_back(values.size(), nb::none());
      }
      members[m][i] = Plain(item);
    }
  }
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (size_t m = 0; m < names.size(); ++m) {
    const auto of = wanted == nullptr ? nullptr : wanted->GetFieldByName(names[m]);
    const auto child = ColumnOf(name + "." + names[m], members[m],
                                of == nullptr ? nullptr : of->type().get(), depth);
    fields.push_back(arrow::field(names[m], child->type()));
    children.push_back(child->data());
  }
  const auto rows = static_cast<int64_t>(values.size());
  return WithNones(arrow::MakeArray(arrow::ArrayData::Make(
                       arrow::struct_(std::move(fields)), rows, {nullptr}, std::move(children))),
                   values);
}

/// Dicts as maps or structs, as is wanted; else as maps, or as structs where their values are not
/// of one type.
std::shared_ptr<arrow::Array> DictsOf(const std::string& name,
                                      const std::vector<nb::object>& values,
                                      const arrow::DataType* wanted, int depth) {
  bool texts = true;
  for (const nb::object& value : values) {
    if (value.is_none()) continue;
    for (const auto& [key, item] : nb::cast<nb::dict>(value)) {
      texts = texts && PyUnicode_Check(key.ptr());
    }
  }
  if (wanted != nullptr && wanted->id() == arrow::Type::STRUCT && texts) {
    return StructsOf(name, values, static_cast<const arrow::StructType*>(wanted), depth);
  }
  if (wanted != nullptr && wanted->id() == arrow::Type::MAP) {
    return MapsOf(name, values, static_cast<const arrow::MapType*>(wanted)->item_type().get(),
                  depth);
  }
  try {
    return MapsOf(name, values, nullptr, depth);
  } catch (const StatusError& error) {
    if (!error.status.IsTypeError() || !texts) throw;
    return StructsOf(name, values, nullptr, depth);
  }
}

std::shared_ptr<arrow::Array> ColumnOf(const std::string& name,
                                       const std::vector<nb::object>& values,
                                       const arrow::DataType* wanted, int depth) {
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
      return IntsOf(values);
    case ValueKind::kDecimal:
      return DecimalsOf(name, values);
    case ValueKind::kDouble:
      // Python has no narrower one.
      if (wanted != nullptr && wanted->id() == arrow::Type::FLOAT) {
        return Build(arrow::FloatBuilder(), values, [](nb::handle value) {
          return static_cast<float>(PyFloat_AsDouble(value.ptr()));
        });
      }
      return Build(arrow::DoubleBuilder(), values,
                   [](nb::handle value) { return PyFloat_AsDouble(value.ptr()); });
    case ValueKind::kString:
      return Build(arrow::StringBuilder(), values, &Utf8Of);
    case ValueKind::kBinary:
      return Build(arrow::BinaryBuilder(), values, [](nb::handle value) {
        return std::string_view(PyBytes_AS_STRING(value.ptr()), PyBytes_GET_SIZE(value.ptr()));
      });
    case ValueKind::kTime:
      return Build(arrow::TimestampBuilder(
                       arrow::timestamp(arrow::TimeUnit::MICRO,
                                        WithoutZone(values, wanted) ? "" : "UTC"),
                       arrow::default_memory_pool()),
                   values, &MicrosOfDatetime);
    case ValueKind::kDate:
      return Build(arrow::Date32Builder(), values,
                   [](nb::handle value) { return static_cast<int32_t>(DaysSinceEpoch(value)); });
    case ValueKind::kTimeOfDay:
      return Build(arrow::Time64Builder(arrow::time64(arrow::TimeUnit::MICRO),
                                        arrow::default_memory_pool()),
                   values, &MicrosOfTime);
    case ValueKind::kDuration:
      return Build(arrow::DurationBuilder(arrow::duration(arrow::TimeUnit::MICRO),
                                          arrow::default_memory_pool()),
                   values, &MicrosOfTimedelta);
    case ValueKind::kList:
      return ListsOf(name, values, wanted, depth + 1);
    case ValueKind::kMap:
      return DictsOf(name, values, wanted, depth + 1);
  }
  throw StatusError{Status::UnknownError("unreachable kind of value")};
}

}  // namespace

std::string_view Utf8Of(nb::handle value) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (text == nullptr) {
    PyErr_Clear();
    throw StatusError{Status::Invalid("the text ", nb::cast<std::string>(nb::repr(value)),
                                      " is not UTF-8: it has a surrogate without its pair")};
  }
  return {text, static_cast<size_t>(size)};
}

std::shared_ptr<arrow::RecordBatch> BatchOfRows(nb::handle rows, const arrow::Schema* taker) {
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
    const auto wanted = taker == nullptr ? nullptr : taker->GetFieldByName(names[c]);
    arrays.push_back(
        ColumnOf(names[c], columns[c], wanted == nullptr ? nullptr : wanted->type().get()));
    fields.push_back(arrow::field(names[c], arrays.back()->type()));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), count, arrays);
}

}  // namespace tercet::python
