#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/util/float16.h>

#include "errors.h"
#include "frame.h"
#include "rows.h"

namespace tercet::python {
namespace {

constexpr int64_t kMicrosPerSecond = 1000000;
constexpr int64_t kMillisPerDay = 86400 * 1000LL;
constexpr int64_t kOrdinalOf1970 = 719163;

nb::object Datetime(const char* name) { return nb::module_::import_("datetime").attr(name); }

/// Rounded down, as Python has no nanoseconds.
int64_t MicrosOf(int64_t value, arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return value * kMicrosPerSecond;
    case arrow::TimeUnit::MILLI: return value * 1000;
    case arrow::TimeUnit::MICRO: return value;
    case arrow::TimeUnit::NANO: return (value - ((value % 1000) + 1000) % 1000) / 1000;
  }
  return value;
}

nb::object TimedeltaOf(int64_t micros) { return Datetime("timedelta")(0, 0, micros); }

/// Through timedelta, so that times before 1970 and fractions are exact.
nb::object DatetimeOf(int64_t micros, bool zoned) {
  const nb::object type = Datetime("datetime");
  const nb::object epoch =
      zoned ? type(1970, 1, 1, 0, 0, 0, 0, Datetime("timezone").attr("utc")) : type(1970, 1, 1);
  return epoch + TimedeltaOf(micros);
}

nb::object TimeOfDay(int64_t micros) { return DatetimeOf(micros, false).attr("time")(); }

nb::object DateOf(int64_t days) {
  return Datetime("date").attr("fromordinal")(days + kOrdinalOf1970);
}

nb::list ListOf(const arrow::Array& items) {
  nb::list values;
  for (int64_t k = 0; k < items.length(); ++k) values.append(ValueOf(items, k));
  return values;
}

}  // namespace

nb::object ValueOf(const arrow::Array& array, int64_t i) {
  if (HasValueOfCell(*array.type())) return ValueOfCell(*array.type(), CellOf(array, i));
  if (array.IsNull(i)) return nb::none();
  using arrow::Type;
  switch (array.type_id()) {
    case Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*array.type());
      const int64_t value = static_cast<const arrow::TimestampArray&>(array).Value(i);
      return DatetimeOf(MicrosOf(value, type.unit()), !type.timezone().empty());
    }
    case Type::DURATION: {
      const auto unit = static_cast<const arrow::DurationType&>(*array.type()).unit();
      return TimedeltaOf(MicrosOf(static_cast<const arrow::DurationArray&>(array).Value(i), unit));
    }
    case Type::TIME32: {
      const auto unit = static_cast<const arrow::Time32Type&>(*array.type()).unit();
      return TimeOfDay(MicrosOf(static_cast<const arrow::Time32Array&>(array).Value(i), unit));
    }
    case Type::TIME64: {
      const auto unit = static_cast<const arrow::Time64Type&>(*array.type()).unit();
      return TimeOfDay(MicrosOf(static_cast<const arrow::Time64Array&>(array).Value(i), unit));
    }
    case Type::DATE32:
      return DateOf(static_cast<const arrow::Date32Array&>(array).Value(i));
    case Type::DATE64:
      return DateOf(static_cast<const arrow::Date64Array&>(array).Value(i) / kMillisPerDay);
    case Type::HALF_FLOAT: {
      const auto bits = static_cast<const arrow::HalfFloatArray&>(array).Value(i);
      return nb::cast(arrow::util::Float16::FromBits(bits).ToDouble());
    }
    case Type::FIXED_SIZE_BINARY: {
      const auto bytes = static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(i);
      return nb::bytes(bytes.data(), bytes.size());
    }
    case Type::LARGE_BINARY: {
      const auto bytes = static_cast<const arrow::LargeBinaryArray&>(array).GetView(i);
      return nb::bytes(bytes.data(), bytes.size());
    }
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: {
      const std::string text = Unwrap(array.GetScalar(i))->ToString();
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
