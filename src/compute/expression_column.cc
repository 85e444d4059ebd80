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

/// How columns and cells come into registers: the kernels that read each Arrow type.
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

/// How one value comes into a register, be it of a column or of a cell: `Read` is false where it
/// has no place there, which makes it null.
template <typename From, typename To>
struct Widened {
  using In = From;
  using Out = To;
  static bool Read(From from, To* to) {
    *to = static_cast<To>(from);
    return true;
  }
};

/// Null above the largest int64.
struct Unsigned64 {
  using In = uint64_t;
  using Out = int64_t;
  static bool Read(uint64_t from, int64_t* to) {
    *to = static_cast<int64_t>(from);
    return *to >= 0;
  }
};

/// Times in coarser units are multiplied, and null where that overflows.
template <int64_t kFactor>
struct Multiplied {
  using In = int64_t;
  using Out = int64_t;
  static bool Read(int64_t from, int64_t* to) {
    if (!__builtin_mul_overflow(from, kFactor, to)) return true;
    *to = 0;
    return false;
  }
};

/// Times in finer units are cut down (floor).
template <int64_t kDivisor>
struct Divided {
  using In = int64_t;
  using Out = int64_t;
  static bool Read(int64_t from, int64_t* to) {
    *to = from / kDivisor - (from % kDivisor < 0 ? 1 : 0);
    return true;
  }
};

/// Durations and times of day become seconds.
template <typename From, int64_t kPerSecond>
struct Seconds {
  using In = From;
  using Out = double;
  static bool Read(From from, double* to) {
    *to = static_cast<double>(from) / static_cast<double>(kPerSecond);
    return true;
  }
};

template <typename How>
void ReadColumn(const Instruction& instruction, Run& run) {
  ReadValidity(instruction, run);
  const auto* values = Source(instruction, run).GetValues<typename How::In>(1) + run.start;
  auto* out = Out<typename How::Out>(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    if (!How::Read(values[i], &out[i])) WritableValidity(instruction, run)[i] = 0;
  }
}

/// The row's cell; null when it was a null, which then stands in the register as a zero.
template <typename O>
const Cell* TakeCell(const Instruction& instruction, Run& run) {
  const Cell& cell = run.row[instruction.number];
  Register& out = run.registers[instruction.out];
  out.has_nulls = cell.null();
  *out.valid = cell.null() ? 0 : 1;
  if (!cell.null()) return &cell;
  *Out<O>(instruction, run) = O{};
  return nullptr;
}

template <typename How>
void ReadCell(const Instruction& instruction, Run& run) {
  using O = typename How::Out;
  const Cell* cell = TakeCell<O>(instruction, run);
  if (cell == nullptr) return;
  if (!How::Read(cell->As<typename How::In>(), Out<O>(instruction, run))) {
    *WritableValidity(instruction, run) = 0;
  }
}

void ReadTextCell(const Instruction& instruction, Run& run) {
  const Cell* cell = TakeCell<std::string_view>(instruction, run);
  if (cell != nullptr) *Out<std::string_view>(instruction, run) = cell->bytes();
}

/// Only whether there is a value.
void ReadOpaqueCell(const Instruction& instruction, Run& run) {
  if (TakeCell<Bool>(instruction, run) != nullptr) *Out<Bool>(instruction, run) = 0;
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

/// How values of a type are read: of a column, and of a cell where it is a type of cells.
struct Readers {
  Kernel column;
  Kernel cell;  ///< null: none
  ValueType type;
};

template <typename How>
Readers Both(const ValueType& type) {
  return {ReadColumn<How>, ReadCell<How>, type};
}

template <typename T>
Readers InPlace(const ValueType& type) {
  return {ReadInPlace<T>, ReadCell<Widened<T, T>>, type};
}

template <typename T>
Readers SecondsIn(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return Both<Seconds<T, 1>>(kDoubleType);
    case arrow::TimeUnit::MILLI:
      return Both<Seconds<T, 1000>>(kDoubleType);
    case arrow::TimeUnit::MICRO:
      return Both<Seconds<T, 1'000'000>>(kDoubleType);
    case arrow::TimeUnit::NANO:
      break;
  }
  return Both<Seconds<T, 1'000'000'000>>(kDoubleType);
}

Readers TimestampIn(const arrow::TimestampType& type) {
  const ValueType of{Kind::kTimestamp, type.timezone()};
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      return Both<Multiplied<1'000'000>>(of);
    case arrow::TimeUnit::MILLI:
      return Both<Multiplied<1000>>(of);
    case arrow::TimeUnit::MICRO:
      return InPlace<int64_t>(of);
    case arrow::TimeUnit::NANO:
      break;
  }
  return Both<Divided<1000>>(of);
}

Result<Readers> ReadersOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::NA:
      return Readers{ReadNull, nullptr, {Kind::kNull, ""}};
    case arrow::Type::BOOL:
      return Readers{ReadBool, ReadCell<Widened<uint8_t, Bool>>, kBoolType};
    case arrow::Type::INT8:
      return Both<Widened<int8_t, int64_t>>(kIntType);
    case arrow::Type::INT16:
      return Both<Widened<int16_t, int64_t>>(kIntType);
    case arrow::Type::INT32:
      return Both<Widened<int32_t, int64_t>>(kIntType);
    case arrow::Type::INT64:
      return InPlace<int64_t>(kIntType);
    case arrow::Type::UINT8:
      return Both<Widened<uint8_t, int64_t>>(kIntType);
    case arrow::Type::UINT16:
      return Both<Widened<uint16_t, int64_t>>(kIntType);
    case arrow::Type::UINT32:
      return Both<Widened<uint32_t, int64_t>>(kIntType);
    case arrow::Type::UINT64:
      return Both<Unsigned64>(kIntType);
    case arrow::Type::HALF_FLOAT:
      return Readers{ReadHalf, nullptr, kDoubleType};
    case arrow::Type::FLOAT:
      return Both<Widened<float, double>>(kDoubleType);
    case arrow::Type::DOUBLE:
      return InPlace<double>(kDoubleType);
    case arrow::Type::DECIMAL32:
      return Readers{ReadDecimal<arrow::Decimal32>, nullptr, kDoubleType};
    case arrow::Type::DECIMAL64:
      return Readers{ReadDecimal<arrow::Decimal64>, nullptr, kDoubleType};
    case arrow::Type::DECIMAL128:
      return Readers{ReadDecimal<arrow::Decimal128>, nullptr, kDoubleType};
    case arrow::Type::DECIMAL256:
      return Readers{ReadDecimal<arrow::Decimal256>, nullptr, kDoubleType};
    case arrow::Type::STRING:
      return Readers{ReadText<int32_t>, ReadTextCell, kStringType};
    case arrow::Type::LARGE_STRING:
      return Readers{ReadText<int64_t>, ReadTextCell, kStringType};
    case arrow::Type::STRING_VIEW:
      return Readers{ReadTextView, nullptr, kStringType};
    case arrow::Type::DATE32:
      return Both<Widened<int32_t, int64_t>>(kDateType);
    case arrow::Type::DATE64:
      return Both<Divided<86'400'000>>(kDateType);
    case arrow::Type::TIMESTAMP:
      return TimestampIn(static_cast<const arrow::TimestampType&>(type));
    case arrow::Type::TIME32:
      return SecondsIn<int32_t>(static_cast<const arrow::Time32Type&>(type).unit());
    case arrow::Type::TIME64:
      return SecondsIn<int64_t>(static_cast<const arrow::Time64Type&>(type).unit());
    case arrow::Type::DURATION:
      return SecondsIn<int64_t>(static_cast<const arrow::DurationType&>(type).unit());
    case arrow::Type::DICTIONARY: {
      const auto& values = *static_cast<const arrow::DictionaryType&>(type).value_type();
      if (values.id() == arrow::Type::DICTIONARY) break;
      ARROW_ASSIGN_OR_RAISE(const Readers of_value, ReadersOf(values));
      const Kernel reader = WithLayout(LayoutOf(of_value.type.kind), []<typename T>() -> Kernel {
        return ReadDictionary<T>;
      });
      return Readers{reader, nullptr, of_value.type};
    }
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
      return Readers{ReadOpaque, ReadOpaqueCell, {Kind::kOpaque, ""}};
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LIST_VIEW:
    case arrow::Type::LARGE_LIST_VIEW:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
    case arrow::Type::MAP:
      return Readers{ReadOpaque, nullptr, {Kind::kOpaque, ""}};
    default:
      break;
  }
  return Status::TypeError("expressions can't read the type ", type.ToString());
}

}  // namespace

Result<std::pair<Kernel, ValueType>> ColumnReader(const arrow::DataType& type) {
  ARROW_ASSIGN_OR_RAISE(const Readers readers, ReadersOf(type));
  return std::pair(readers.column, readers.type);
}

Kernel CellReader(const arrow::DataType& type) {
  const Result<Readers> readers = ReadersOf(type);
  return readers.ok() ? readers->cell : nullptr;
}

}  // namespace tercet::expr
