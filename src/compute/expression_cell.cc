#include <arrow/type.h>

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// How cells come into registers: what expression_column.cc does for a chunk of a column, for the
/// one row that is asked for online. The register of a null holds a zero.
namespace tercet::expr {
namespace {

/// The cell to read; null when it was a null, which then stands in the register.
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

void MakeNull(const Instruction& instruction, Run& run) {
  Register& out = run.registers[instruction.out];
  out.has_nulls = true;
  *out.valid = 0;
}

template <typename T, typename O>
void ReadWidened(const Instruction& instruction, Run& run) {
  const Cell* cell = TakeCell<O>(instruction, run);
  if (cell != nullptr) *Out<O>(instruction, run) = static_cast<O>(cell->As<T>());
}

void ReadUnsigned64(const Instruction& instruction, Run& run) {
  const Cell* cell = TakeCell<int64_t>(instruction, run);
  if (cell == nullptr) return;
  const auto value = static_cast<int64_t>(cell->As<uint64_t>());
  *Out<int64_t>(instruction, run) = value;
  if (value < 0) MakeNull(instruction, run);
}

template <int64_t kFactor>
void ReadMultiplied(const Instruction& instruction, Run& run) {
  const Cell* cell = TakeCell<int64_t>(instruction, run);
  if (cell == nullptr) return;
  int64_t* out = Out<int64_t>(instruction, run);
  if (!__builtin_mul_overflow(cell->As<int64_t>(), kFactor, out)) return;
  *out = 0;
  MakeNull(instruction, run);
}

template <int64_t kDivisor>
void ReadDivided(const Instruction& instruction, Run& run) {
  const Cell* cell = TakeCell<int64_t>(instruction, run);
  if (cell == nullptr) return;
  const auto value = cell->As<int64_t>();
  *Out<int64_t>(instruction, run) = value / kDivisor - (value % kDivisor < 0 ? 1 : 0);
}

template <typename T, int64_t kPerSecond>
void ReadSeconds(const Instruction& instruction, Run& run) {
  const Cell* cell = TakeCell<double>(instruction, run);
  if (cell == nullptr) return;
  *Out<double>(instruction, run) =
      static_cast<double>(cell->As<T>()) / static_cast<double>(kPerSecond);
}

void ReadText(const Instruction& instruction, Run& run) {
  const Cell* cell = TakeCell<std::string_view>(instruction, run);
  if (cell != nullptr) *Out<std::string_view>(instruction, run) = cell->bytes();
}

/// Only whether there is a value.
void ReadOpaque(const Instruction& instruction, Run& run) {
  if (TakeCell<Bool>(instruction, run) != nullptr) *Out<Bool>(instruction, run) = 0;
}

template <typename T>
Kernel SecondsReader(arrow::TimeUnit::type unit) {
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
      return ReadMultiplied<1'000'000>;
    case arrow::TimeUnit::MILLI:
      return ReadMultiplied<1000>;
    case arrow::TimeUnit::MICRO:
      return ReadWidened<int64_t, int64_t>;
    case arrow::TimeUnit::NANO:
      break;
  }
  return ReadDivided<1000>;
}

}  // namespace

Kernel CellReader(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return ReadWidened<uint8_t, Bool>;
    case arrow::Type::INT8:
      return ReadWidened<int8_t, int64_t>;
    case arrow::Type::INT16:
      return ReadWidened<int16_t, int64_t>;
    case arrow::Type::INT32:
      return ReadWidened<int32_t, int64_t>;
    case arrow::Type::INT64:
      return ReadWidened<int64_t, int64_t>;
    case arrow::Type::UINT8:
      return ReadWidened<uint8_t, int64_t>;
    case arrow::Type::UINT16:
      return ReadWidened<uint16_t, int64_t>;
    case arrow::Type::UINT32:
      return ReadWidened<uint32_t, int64_t>;
    case arrow::Type::UINT64:
      return ReadUnsigned64;
    case arrow::Type::FLOAT:
      return ReadWidened<float, double>;
    case arrow::Type::DOUBLE:
      return ReadWidened<double, double>;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      return ReadText;
    case arrow::Type::DATE32:
      return ReadWidened<int32_t, int64_t>;
    case arrow::Type::DATE64:
      return ReadDivided<86'400'000>;
    case arrow::Type::TIMESTAMP:
      return TimestampReader(static_cast<const arrow::TimestampType&>(type).unit());
    case arrow::Type::TIME32:
      return SecondsReader<int32_t>(static_cast<const arrow::Time32Type&>(type).unit());
    case arrow::Type::TIME64:
      return SecondsReader<int64_t>(static_cast<const arrow::Time64Type&>(type).unit());
    case arrow::Type::DURATION:
      return SecondsReader<int64_t>(static_cast<const arrow::DurationType&>(type).unit());
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
      return ReadOpaque;
    default:
      return nullptr;
  }
}

}  // namespace tercet::expr
