#include "compute/cell_key.h"

#include <type_traits>

#include <arrow/util/endian.h>

namespace tercet {
namespace {

template <typename T>
void AppendBigEndian(T value, std::string* out) {
  const T swapped = arrow::bit_util::ToBigEndian(value);
  out->append(reinterpret_cast<const char*>(&swapped), sizeof(swapped));
}

/// A number in the order of its values: the sign bit flipped, big-endian.
template <typename T>
void AppendNumber(const Cell& cell, bool alone, std::string* out) {
  using Bits = std::make_unsigned_t<T>;
  const T value = cell.As<T>();
  if (alone) {  // A key of one number has eight bytes, whatever its width.
    constexpr uint64_t kWideSign = std::is_signed_v<T> ? uint64_t{1} << 63 : 0;
    AppendBigEndian<uint64_t>(static_cast<uint64_t>(value) ^ kWideSign, out);
    return;
  }
  constexpr Bits kSign = std::is_signed_v<T> ? Bits(Bits{1} << (sizeof(T) * 8 - 1)) : Bits{0};
  out->push_back('\1');
  AppendBigEndian<Bits>(static_cast<Bits>(static_cast<Bits>(value) ^ kSign), out);
}

void AppendEscaped(std::string_view bytes, std::string* out) {
  out->push_back('\1');
  for (const char c : bytes) {
    out->push_back(c);
    if (c == '\0') out->push_back('\xFF');
  }
  out->append(2, '\0');
}

}  // namespace

bool IsCellKeyType(const arrow::DataType& type) {
  return IsCellType(type) && type.id() != arrow::Type::FLOAT && type.id() != arrow::Type::DOUBLE;
}

void AppendCellKey(std::span<const arrow::Type::type> types, std::span<const Cell> cells,
                   std::string* out) {
  const bool alone = types.size() == 1;
  for (size_t i = 0; i < types.size(); ++i) {
    const Cell& cell = cells[i];
    switch (types[i]) {
      case arrow::Type::BOOL:
      case arrow::Type::UINT8:
        AppendNumber<uint8_t>(cell, alone, out);
        break;
      case arrow::Type::INT8:
        AppendNumber<int8_t>(cell, alone, out);
        break;
      case arrow::Type::INT16:
        AppendNumber<int16_t>(cell, alone, out);
        break;
      case arrow::Type::UINT16:
        AppendNumber<uint16_t>(cell, alone, out);
        break;
      case arrow::Type::INT32:
      case arrow::Type::DATE32:
      case arrow::Type::TIME32:
        AppendNumber<int32_t>(cell, alone, out);
        break;
      case arrow::Type::UINT32:
        AppendNumber<uint32_t>(cell, alone, out);
        break;
      case arrow::Type::UINT64:
        AppendNumber<uint64_t>(cell, alone, out);
        break;
      case arrow::Type::STRING:
      case arrow::Type::LARGE_STRING:
      case arrow::Type::BINARY:
      case arrow::Type::LARGE_BINARY:
        AppendEscaped(cell.bytes(), out);
        break;
      default:
        AppendNumber<int64_t>(cell, alone, out);
    }
  }
}

}  // namespace tercet
