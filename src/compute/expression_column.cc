#include <algorithm>
#include <limits>

#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/binary_view_util.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>

#include "compute/expression_binder.h"
#include "compute/expression_column.h"
#include "compute/expression_kernel.h"

/// How columns come into registers: the kernels that read each Arrow type.
namespace tercet::expr {

void ReadValidity(const Instruction& instruction, Run& run) {
  const arrow::ArrayData& data = Source(instruction, run);
  Register& out = run.registers[instruction.out];
  out.has_nulls = false;
  if (data.null_count.load() == 0 || data.buffers.empty() || data.buffers[0] == nullptr) return;
  const uint8_t* bits = data.buffers[0]->data();
  const int64_t offset = data.offset + run.start;
  uint8_t all = 1;
  for (int64_t i = 0; i < run.rows; ++i) {
    out.valid[i] = arrow::bit_util::GetBit(bits, offset + i) ? 1 : 0;
    all &= out.valid[i];
  }
  out.has_nulls = all == 0;
}

Elements::Elements(Kernel reader, const arrow::DataType* type, Arena* arena) : arena_(arena) {
  read_.kernel = reader;
  read_.out = 0;
  read_.payload = type;
}

const Register& Elements::Read(const arrow::ArrayData& array, int64_t begin, int64_t count) {
  if (count > capacity_) {
    capacity_ = std::max(count, 2 * capacity_);
    const auto rows = static_cast<size_t>(capacity_);
    register_.storage = arena_->TakeArray<std::byte>(rows * WidthOf(Layout::kText));
    register_.valid = arena_->TakeArray<uint8_t>(rows);
  }
  register_.values = register_.storage;
  register_.has_nulls = false;
  const arrow::ArrayData* column = &array;
  Run run{&register_, count, begin, &column, arena_};
  // There may be no memory where nothing lies.
  if (count > 0) read_.kernel(read_, run);
  return register_;
}

namespace {

/// Values that lie in the column as they lie in a register are used where they are.
template <typename T>
void ReadInPlace(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const T* values = Source(instruction, run).GetValues<T>(1) + run.start;
  run.registers[instruction.out].values = const_cast<T*>(values);
}

template <typename T, typename O>
void ReadWidened(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const T* values = Source(instruction, run).GetValues<T>(1) + run.start;
  O* out = Out<O>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = static_cast<O>(values[i]);
}

void ReadBool(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const arrow::ArrayData& data = Source(instruction, run);
  const uint8_t* bits = data.buffers[1]->data();
  Bool* out = Out<Bool>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = arrow::bit_util::GetBit(bits, data.offset + run.start + i) ? 1 : 0;
  }
}

void ReadUnsigned64(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const auto* values = Source(instruction, run).GetValues<uint64_t>(1) + run.start;
  auto* out = Out<int64_t>(instruction, run);
  uint8_t* valid = nullptr;
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = static_cast<int64_t>(values[i]);
    if (out[i] < 0) {
      if (valid == nullptr) valid = WritableValidity(instruction, run);
      valid[i] = 0;
    }
  }
}

void ReadHalf(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const auto* values = Source(instruction, run).GetValues<uint16_t>(1) + run.start;
  auto* out = Out<double>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = arrow::util::Float16::FromBits(values[i]).ToDouble();
  }
}

template <typename Decimal>
void ReadDecimal(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const arrow::ArrayData& data = Source(instruction, run);
  const int32_t scale = instruction.Payload<arrow::DecimalType>().scale();
  const int width = instruction.Payload<arrow::DecimalType>().byte_width();
  const uint8_t* values = data.buffers[1]->data() + (data.offset + run.start) * width;
  auto* out = Out<double>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = Decimal(values + i * width).ToDouble(scale);
}

/// Times in coarser units are multiplied, and null where that overflows.
template <typename T, int64_t kFactor>
void ReadMultiplied(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const T* values = Source(instruction, run).GetValues<T>(1) + run.start;
  auto* out = Out<int64_t>(instruction, run);
  uint8_t* valid = nullptr;
  for (int64_t i = 0; i < run.rows; ++i) {
    if (__builtin_mul_overflow(static_cast<int64_t>(values[i]), kFactor, &out[i])) {
      if (valid == nullptr) valid = WritableValidity(instruction, run);
      valid[i] = 0;
      out[i] = 0;
    }
  }
}

/// Times in finer units are cut down (floor).
template <int64_t kDivisor>
void ReadDivided(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const auto* values = Source(instruction, run).GetValues<int64_t>(1) + run.start;
  auto* out = Out<int64_t>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = values[i] / kDivisor - (values[i] % kDivisor < 0 ? 1 : 0);
  }
}

/// Durations and times of day become seconds.
template <typename T, int64_t kPerSecond>
void ReadSeconds(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const T* values = Source(instruction, run).GetValues<T>(1) + run.start;
  auto* out = Out<double>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = static_cast<double>(values[i]) / static_cast<double>(kPerSecond);
  }
}

template <typename Offset>
void ReadText(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const arrow::ArrayData& data = Source(instruction, run);
  const Offset* offsets = data.GetValues<Offset>(1) + run.start;
  const char* bytes =
      data.buffers[2] == nullptr ? "" : reinterpret_cast<const char*>(data.buffers[2]->data());
  auto* out = Out<std::string_view>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = {bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
  }
}

void ReadTextView(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const arrow::ArrayData& data = Source(instruction, run);
  const auto* views = data.GetValues<arrow::BinaryViewType::c_type>(1) + run.start;
  const auto* buffers = data.buffers.data() + 2;
  const Register& result = run.registers[instruction.out];
  auto* out = Out<std::string_view>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    // The view of a null may name a buffer that is not there.
    const bool null = result.has_nulls && result.valid[i] == 0;
    out[i] = null ? std::string_view() : arrow::util::FromBinaryView(views[i], buffers);
  }
}

void ReadNull(const Instruction& instruction, Run& run) {
  std::memset(Out<Bool>(instruction, run), 0, static_cast<size_t>(run.rows));
  std::memset(WritableValidity(instruction, run), 0, static_cast<size_t>(run.rows));
}

/// Only the validity of a value that can't be computed with.
void ReadOpaque(const Instruction& instruction, Run& run) {
  std::memset(Out<Bool>(instruction, run), 0, static_cast<size_t>(run.rows));
  ReadValidity(instruction, run);
}

int64_t IndexAt(const arrow::ArrayData& data, int64_t i) {
  switch (data.type->id()) {
    case arrow::Type::INT8:
      return data.GetValues<int8_t>(1)[i];
    case arrow::Type::UINT8:
      return data.GetValues<uint8_t>(1)[i];
    case arrow::Type::INT16:
      return data.GetValues<int16_t>(1)[i];
    case arrow::Type::UINT16:
      return data.GetValues<uint16_t>(1)[i];
    case arrow::Type::INT32:
      return data.GetValues<int32_t>(1)[i];
    case arrow::Type::UINT32:
      return data.GetValues<uint32_t>(1)[i];
    default:
      return data.GetValues<int64_t>(1)[i];
  }
}

/// Reads each row's value from the dictionary by the value type's own reader.
template <typename T>
void ReadDictionary(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const arrow::ArrayData& data = Source(instruction, run);
  const auto& type = instruction.Payload<arrow::DictionaryType>();
  // Compiling made sure that there is a reader.
  const Kernel reader = ColumnReader(*type.value_type()).ValueOrDie().first;
  arrow::ArrayData indexes(type.index_type(), data.length, {nullptr, data.buffers[1]}, 0,
                           data.offset);
  Elements dictionary(reader, type.value_type().get(), run.arena);

  const Register& result = run.registers[instruction.out];
  T* out = Out<T>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = T{};
    if (result.has_nulls && result.valid[i] == 0) continue;
    const Register& one =
        dictionary.Read(*data.dictionary, IndexAt(indexes, run.start + i), 1);
    if (one.has_nulls && one.valid[0] == 0) {
      WritableValidity(instruction, run)[i] = 0;
    } else {
      out[i] = *static_cast<const T*>(one.values);
    }
  }
}

template <typename T>
Kernel TimeReader(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return ReadSeconds<T, 1>;
    case arrow::TimeUnit::MILLI:
      return ReadSeconds<T, 1000>;
    case arrow::TimeUnit::MICRO:
      return ReadSeconds<T, 1'000'000>;
    case arrow::TimeUnit::NANO:
      break;
  }
  return ReadSeconds<T, 1'000'000'000>;
}

Kernel TimestampReader(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return ReadMultiplied<int64_t, 1'000'000>;
    case arrow::TimeUnit::MILLI:
      return ReadMultiplied<int64_t, 1000>;
    case arrow::TimeUnit::MICRO:
      return ReadInPlace<int64_t>;
    case arrow::TimeUnit::NANO:
      break;
  }
  return ReadDivided<1000>;
}

}  // namespace

Result<std::pair<Kernel, ValueType>> ColumnReader(const arrow::DataType& type) {
  using Reader = std::pair<Kernel, ValueType>;
  const ValueType integer{Kind::kInt, ""}, number{Kind::kDouble, ""}, text{Kind::kString, ""};
  switch (type.id()) {
    case arrow::Type::NA:
      return Reader(ReadNull, {Kind::kNull, ""});
    case arrow::Type::BOOL:
      return Reader(ReadBool, {Kind::kBool, ""});
    case arrow::Type::INT8:
      return Reader(ReadWidened<int8_t, int64_t>, integer);
    case arrow::Type::INT16:
      return Reader(ReadWidened<int16_t, int64_t>, integer);
    case arrow::Type::INT32:
      return Reader(ReadWidened<int32_t, int64_t>, integer);
    case arrow::Type::INT64:
      return Reader(ReadInPlace<int64_t>, integer);
    case arrow::Type::UINT8:
      return Reader(ReadWidened<uint8_t, int64_t>, integer);
    case arrow::Type::UINT16:
      return Reader(ReadWidened<uint16_t, int64_t>, integer);
    case arrow::Type::UINT32:
      return Reader(ReadWidened<uint32_t, int64_t>, integer);
    case arrow::Type::UINT64:
      return Reader(ReadUnsigned64, integer);
    case arrow::Type::HALF_FLOAT:
      return Reader(ReadHalf, number);
    case arrow::Type::FLOAT:
      return Reader(ReadWidened<float, double>, number);
    case arrow::Type::DOUBLE:
      return Reader(ReadInPlace<double>, number);
    case arrow::Type::DECIMAL32:
      return Reader(ReadDecimal<arrow::Decimal32>, number);
    case arrow::Type::DECIMAL64:
      return Reader(ReadDecimal<arrow::Decimal64>, number);
    case arrow::Type::DECIMAL128:
      return Reader(ReadDecimal<arrow::Decimal128>, number);
    case arrow::Type::DECIMAL256:
      return Reader(ReadDecimal<arrow::Decimal256>, number);
    case arrow::Type::STRING:
      return Reader(ReadText<int32_t>, text);
    case arrow::Type::LARGE_STRING:
      return Reader(ReadText<int64_t>, text);
    case arrow::Type::STRING_VIEW:
      return Reader(ReadTextView, text);
    case arrow::Type::DATE32:
      return Reader(ReadWidened<int32_t, int64_t>, {Kind::kDate, ""});
    case arrow::Type::DATE64:
      return Reader(ReadDivided<86'400'000>, {Kind::kDate, ""});
    case arrow::Type::TIMESTAMP: {
      const auto& timestamp = static_cast<const arrow::TimestampType&>(type);
      return Reader(TimestampReader(timestamp.unit()), {Kind::kTimestamp, timestamp.timezone()});
    }
    case arrow::Type::TIME32:
      return Reader(TimeReader<int32_t>(static_cast<const arrow::Time32Type&>(type).unit()),
                    number);
    case arrow::Type::TIME64:
      return Reader(TimeReader<int64_t>(static_cast<const arrow::Time64Type&>(type).unit()),
                    number);
    case arrow::Type::DURATION:
      return Reader(TimeReader<int64_t>(static_cast<const arrow::DurationType&>(type).unit()),
                    number);
    case arrow::Type::DICTIONARY: {
      const auto& values = *static_cast<const arrow::DictionaryType&>(type).value_type();
      if (values.id() == arrow::Type::DICTIONARY) break;
      ARROW_ASSIGN_OR_RAISE(const Reader reader, ColumnReader(values));
      const Layout layout = LayoutOf(reader.second.kind);
      return Reader(WithLayout(layout, []<typename T>() -> Kernel { return ReadDictionary<T>; }),
                    reader.second);
    }
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
    case arrow::Type::MAP:
      return Reader(ReadOpaque, {Kind::kOpaque, ""});
    default:
      break;
  }
  return Status::TypeError("expressions can't read the type ", type.ToString());
}

}  // namespace tercet::expr
