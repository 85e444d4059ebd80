#include <algorithm>
#include <memory>

#include <arrow/array.h>
#include <arrow/buffer.h>

#include "compute/calendar.h"
#include "compute/sort_key.h"

namespace tercet {

bool IsEventTimeType(const arrow::DataType& type) {
  return type.id() == arrow::Type::TIMESTAMP || type.id() == arrow::Type::DATE32 ||
         type.id() == arrow::Type::DATE64;
}

namespace {

Status OutOfRange(const arrow::Array& array, int64_t i) {
  auto scalar = array.GetScalar(i);
  return Status::Invalid(
      "an event time is out of range: ", scalar.ok() ? (*scalar)->ToString() : "?",
      " does not fit in 64 bits of microseconds");
}

/// Each valid value times `factor`.
template <typename T>
Status Multiply(const arrow::Array& array, int64_t factor, int64_t* out) {
  const T* values = array.data()->GetValues<T>(1);
  for (int64_t i = 0; i < array.length(); ++i) {
    if (__builtin_mul_overflow(static_cast<int64_t>(values[i]), factor, &out[i])) {
      if (array.IsValid(i)) return OutOfRange(array, i);
      out[i] = 0;
    }
  }
  return Status::OK();
}

}  // namespace

Result<std::shared_ptr<arrow::Int64Array>> EventTimeMicros(const arrow::Array& array) {
  if (!IsEventTimeType(*array.type())) {
    return Status::TypeError("a column of type ", array.type()->ToString(),
                             " can't be an event time; it must be a timestamp or a date: parse it "
                             "first (pandas: to_datetime(…, utc=True))");
  }
  const arrow::ArrayData& data = *array.data();
  // A validity bitmap is shared where it starts on a byte, as the values are in the commonest case.
  std::shared_ptr<arrow::Buffer> validity;
  int64_t offset = 0;
  if (data.GetNullCount() > 0) {
    validity = data.buffers[0];
    offset = data.offset;
  }
  const bool micros =
      array.type_id() == arrow::Type::TIMESTAMP &&
      static_cast<const arrow::TimestampType&>(*array.type()).unit() == arrow::TimeUnit::MICRO;
  if (micros) {
    return std::make_shared<arrow::Int64Array>(
        arrow::ArrayData::Make(arrow::int64(), data.length, {validity, data.buffers[1]},
                               data.GetNullCount(), data.offset));
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values,
                        arrow::AllocateBuffer((offset + data.length) * 8));
  auto* out = reinterpret_cast<int64_t*>(values->mutable_data());
  std::fill(out, out + offset, 0);
  out += offset;
  if (array.type_id() == arrow::Type::DATE32) {
    ARROW_RETURN_NOT_OK(Multiply<int32_t>(array, kDayMicros, out));
  } else if (array.type_id() == arrow::Type::DATE64) {
    ARROW_RETURN_NOT_OK(Multiply<int64_t>(array, 1000, out));
  } else {
    switch (static_cast<const arrow::TimestampType&>(*array.type()).unit()) {
      case arrow::TimeUnit::SECOND:
        ARROW_RETURN_NOT_OK(Multiply<int64_t>(array, 1'000'000, out));
        break;
      case arrow::TimeUnit::MILLI:
        ARROW_RETURN_NOT_OK(Multiply<int64_t>(array, 1000, out));
        break;
      case arrow::TimeUnit::MICRO:
        break;  // returned above
      case arrow::TimeUnit::NANO: {
        const auto* nanos = data.GetValues<int64_t>(1);
        for (int64_t i = 0; i < data.length; ++i) {
          out[i] = nanos[i] / 1000 - (nanos[i] % 1000 < 0 ? 1 : 0);
        }
        break;
      }
    }
  }
  return std::make_shared<arrow::Int64Array>(arrow::ArrayData::Make(
      arrow::int64(), data.length, {validity, std::move(values)}, data.GetNullCount(), offset));
}

}  // namespace tercet
