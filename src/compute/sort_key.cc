#include "compute/sort_key.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/decimal.h>

namespace tercet {
namespace {

constexpr uint64_t kSignBit = uint64_t{1} << 63;

bool IsFixedKeyType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
      return true;
    default:
      return false;
  }
}

/// Dictionaries become their values and views become plain strings, so that one value has one key
/// however it was encoded.
Result<std::shared_ptr<arrow::Array>> Plain(std::shared_ptr<arrow::Array> column) {
  if (column == nullptr) return Status::Invalid("a key column is missing");
  if (column->type_id() == arrow::Type::DICTIONARY) {
    const auto& type = static_cast<const arrow::DictionaryType&>(*column->type());
    ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, type.value_type()));
  }
  if (column->type_id() == arrow::Type::STRING_VIEW) {
    ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, arrow::large_utf8()));
  } else if (column->type_id() == arrow::Type::BINARY_VIEW) {
    ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, arrow::large_binary()));
  }
  return column;
}

template <typename T>
uint64_t Ordered(T value) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<uint64_t>(static_cast<int64_t>(value)) ^ kSignBit;
  } else {
    return static_cast<uint64_t>(value);
  }
}

/// Calls `visit(pointer to the values)` for a column of a fixed key type but boolean.
template <typename Visit>
void VisitIntegers(const arrow::ArrayData& data, Visit&& visit) {
  switch (data.type->id()) {
    case arrow::Type::INT8:
      return visit(data.GetValues<int8_t>(1));
    case arrow::Type::INT16:
      return visit(data.GetValues<int16_t>(1));
    case arrow::Type::UINT8:
      return visit(data.GetValues<uint8_t>(1));
    case arrow::Type::UINT16:
      return visit(data.GetValues<uint16_t>(1));
    case arrow::Type::UINT32:
      return visit(data.GetValues<uint32_t>(1));
    case arrow::Type::UINT64:
      return visit(data.GetValues<uint64_t>(1));
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
      return visit(data.GetValues<int32_t>(1));
    default:
      return visit(data.GetValues<int64_t>(1));
  }
}

void EncodeFixed(const arrow::Array& column, uint64_t* out) {
  const arrow::ArrayData& data = *column.data();
  if (data.type->id() == arrow::Type::BOOL) {
    const uint8_t* bits = data.buffers[1]->data();
    for (int64_t i = 0; i < data.length; ++i) {
      out[i] = arrow::bit_util::GetBit(bits, data.offset + i) ? 1 : 0;
    }
  } else {
    VisitIntegers(data, [&](const auto* values) {
      for (int64_t i = 0; i < data.length; ++i) out[i] = Ordered(values[i]);
    });
  }
  if (column.null_count() == 0) return;
  for (int64_t i = 0; i < data.length; ++i) {
    if (column.IsNull(i)) out[i] = 0;
  }
}

template <typename T>
uint8_t* PutBigEndian(uint8_t* to, T value) {
  static_assert(std::is_unsigned_v<T>);
  const T swapped = arrow::bit_util::ToBigEndian(value);
  std::memcpy(to, &swapped, sizeof(T));
  return to + sizeof(T);
}

template <typename T>
using UnsignedOfSize =
    std::conditional_t<sizeof(T) == 8, uint64_t,
                       std::conditional_t<sizeof(T) == 4, uint32_t,
                                          std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>>;

template <typename T>
constexpr UnsignedOfSize<T> TopBit() {
  return static_cast<UnsignedOfSize<T>>(UnsignedOfSize<T>{1} << (sizeof(T) * 8 - 1));
}

/// Bits of a float in an order that is the order of the values: one zero, one NaN, NaN last.
template <typename Bits>
Bits OrderedFloat(Bits bits, Bits infinity) {
  const Bits sign = TopBit<Bits>();
  const Bits magnitude = static_cast<Bits>(bits & ~sign);
  if (magnitude == 0) return sign;
  if (magnitude > infinity) return static_cast<Bits>(~Bits{0});
  return static_cast<Bits>((bits & sign) != 0 ? ~bits : bits | sign);
}

/// The byte form is written column by column: `Size` adds each row's bytes, `Write` fills them in
/// and moves each row's cursor on.
class ByteColumn {
 public:
  explicit ByteColumn(const arrow::Array& column)
      : column_(column), data_(*column.data()), has_nulls_(column.null_count() > 0) {}

  Status Prepare() {
    switch (data_.type->id()) {
      case arrow::Type::BOOL:
        width_ = 1;
        return Status::OK();
      case arrow::Type::HALF_FLOAT:
        width_ = 2;
        return Status::OK();
      case arrow::Type::FLOAT:
        width_ = 4;
        return Status::OK();
      case arrow::Type::DOUBLE:
        width_ = 8;
        return Status::OK();
      case arrow::Type::DECIMAL32:
      case arrow::Type::DECIMAL64:
      case arrow::Type::DECIMAL128:
        width_ = 16;
        return Status::OK();
      case arrow::Type::DECIMAL256:
        width_ = 32;
        return Status::OK();
      case arrow::Type::STRING:
      case arrow::Type::BINARY:
        FindZeroBytes<int32_t>();
        return Status::OK();
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
        FindZeroBytes<int64_t>();
        return Status::OK();
      case arrow::Type::FIXED_SIZE_BINARY:
        has_zero_bytes_ = true;
        return Status::OK();
      default:
        if (IsFixedKeyType(*data_.type)) {
          VisitIntegers(data_, [&](const auto* values) { width_ = sizeof(*values); });
          return Status::OK();
        }
        return Status::TypeError("a column of type ", data_.type->ToString(),
                                 " can't be part of a key; keys are made of integers, floats, "
                                 "booleans, strings, binary, dates, times and decimals");
    }
  }

  /// Adds this column's bytes of row i to sizes[i].
  void Size(uint64_t* sizes) const {
    if (width_ > 0) {
      for (int64_t i = 0; i < data_.length; ++i) sizes[i] += IsNull(i) ? 1 : 1 + width_;
      return;
    }
    VisitBytes([&](int64_t i, std::string_view value) {
      sizes[i] += IsNull(i) ? 1 : 1 + value.size() + ZeroBytes(value) + 2;
    });
  }

  /// Writes this column's bytes of row i at base + cursors[i], and moves the cursor behind them.
  void Write(uint8_t* base, uint64_t* cursors) const {
    switch (data_.type->id()) {
      case arrow::Type::BOOL: {
        const uint8_t* bits = data_.buffers[1]->data();
        return WriteEach(base, cursors, [&](int64_t i, uint8_t* to) {
          *to = arrow::bit_util::GetBit(bits, data_.offset + i) ? 1 : 0;
          return to + 1;
        });
      }
      case arrow::Type::HALF_FLOAT:
        return WriteFloats<uint16_t>(base, cursors, 0x7C00);
      case arrow::Type::FLOAT:
        return WriteFloats<uint32_t>(base, cursors, 0x7F800000u);
      case arrow::Type::DOUBLE:
        return WriteFloats<uint64_t>(base, cursors, 0x7FF0000000000000u);
      case arrow::Type::DECIMAL32: {
        const auto* values = data_.GetValues<int32_t>(1);
        return WriteEach(base, cursors,
                         [&](int64_t i, uint8_t* to) { return PutInt128(to, values[i]); });
      }
      case arrow::Type::DECIMAL64: {
        const auto* values = data_.GetValues<int64_t>(1);
        return WriteEach(base, cursors,
                         [&](int64_t i, uint8_t* to) { return PutInt128(to, values[i]); });
      }
      case arrow::Type::DECIMAL128:
        return WriteDecimals<arrow::Decimal128>(base, cursors);
      case arrow::Type::DECIMAL256:
        return WriteDecimals<arrow::Decimal256>(base, cursors);
      case arrow::Type::STRING:
      case arrow::Type::BINARY:
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
      case arrow::Type::FIXED_SIZE_BINARY:
        return VisitBytes([&](int64_t i, std::string_view value) {
          uint8_t* to = base + cursors[i];
          if (IsNull(i)) {
            *to++ = 0;
          } else {
            *to++ = 1;
            to = PutEscaped(to, value);
          }
          cursors[i] = static_cast<uint64_t>(to - base);
        });
      default:
        return VisitIntegers(data_, [&](const auto* values) {
          using T = std::remove_cv_t<std::remove_pointer_t<decltype(values)>>;
          WriteEach(base, cursors, [&](int64_t i, uint8_t* to) {
            auto bits = static_cast<UnsignedOfSize<T>>(values[i]);
            if constexpr (std::is_signed_v<T>) bits ^= TopBit<T>();
            return PutBigEndian(to, bits);
          });
        });
    }
  }

 private:
  bool IsNull(int64_t i) const { return has_nulls_ && column_.IsNull(i); }

  /// One scan over all bytes tells whether any value needs escapes; few columns have any.
  template <typename Offset>
  void FindZeroBytes() {
    if (data_.length == 0) return;
    const Offset* offsets = data_.GetValues<Offset>(1);
    const auto first = offsets[0], last = offsets[data_.length];
    has_zero_bytes_ = last > first && std::memchr(data_.buffers[2]->data() + first, 0,
                                                  static_cast<size_t>(last - first)) != nullptr;
  }

  size_t ZeroBytes(std::string_view value) const {
    if (!has_zero_bytes_) return 0;
    return static_cast<size_t>(std::count(value.begin(), value.end(), '\0'));
  }

  uint8_t* PutEscaped(uint8_t* to, std::string_view value) const {
    if (!has_zero_bytes_) {
      if (!value.empty()) std::memcpy(to, value.data(), value.size());
      to += value.size();
    } else {
      for (char c : value) {
        *to++ = static_cast<uint8_t>(c);
        if (c == '\0') *to++ = 0xFF;
      }
    }
    *to++ = 0;
    *to++ = 0;
    return to;
  }

  static uint8_t* PutInt128(uint8_t* to, int64_t value) {
    to = PutBigEndian(to, value < 0 ? kSignBit - 1 : kSignBit);
    return PutBigEndian(to, static_cast<uint64_t>(value));
  }

  template <typename Visit>
  void VisitBytes(Visit&& visit) const {
    if (data_.type->id() == arrow::Type::FIXED_SIZE_BINARY) {
      const auto& array = static_cast<const arrow::FixedSizeBinaryArray&>(column_);
      for (int64_t i = 0; i < data_.length; ++i) visit(i, array.GetView(i));
    } else if (data_.type->id() == arrow::Type::STRING || data_.type->id() == arrow::Type::BINARY) {
      const auto& array = static_cast<const arrow::BinaryArray&>(column_);
      for (int64_t i = 0; i < data_.length; ++i) visit(i, array.GetView(i));
    } else {
      const auto& array = static_cast<const arrow::LargeBinaryArray&>(column_);
      for (int64_t i = 0; i < data_.length; ++i) visit(i, array.GetView(i));
    }
  }

  template <typename Put>
  void WriteEach(uint8_t* base, uint64_t* cursors, Put&& put) const {
    for (int64_t i = 0; i < data_.length; ++i) {
      uint8_t* to = base + cursors[i];
      if (IsNull(i)) {
        *to++ = 0;
      } else {
        *to++ = 1;
        to = put(i, to);
      }
      cursors[i] = static_cast<uint64_t>(to - base);
    }
  }

  template <typename Bits>
  void WriteFloats(uint8_t* base, uint64_t* cursors, Bits infinity) const {
    const Bits* values = data_.GetValues<Bits>(1);
    WriteEach(base, cursors, [&](int64_t i, uint8_t* to) {
      return PutBigEndian(to, OrderedFloat(values[i], infinity));
    });
  }

  template <typename Decimal>
  void WriteDecimals(uint8_t* base, uint64_t* cursors) const {
    constexpr int kWidth = sizeof(Decimal);
    const uint8_t* values = data_.buffers[1]->data() + data_.offset * kWidth;
    WriteEach(base, cursors, [&](int64_t i, uint8_t* to) {
      const uint8_t* value = values + i * kWidth;  // little-endian two's complement
      for (int k = 0; k < kWidth; ++k) to[k] = value[kWidth - 1 - k];
      to[0] ^= 0x80;
      return to + kWidth;
    });
  }

  const arrow::Array& column_;
  const arrow::ArrayData& data_;
  const bool has_nulls_;
  uint64_t width_ = 0;           ///< bytes of a value, 0 when they vary
  bool has_zero_bytes_ = false;  ///< whether values may need escapes
};

}  // namespace

Result<SortKeys> SortKeys::Encode(const arrow::RecordBatch& batch,
                                  const std::vector<int>& columns) {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  arrays.reserve(columns.size());
  for (int column : columns) {
    if (column < 0 || column >= batch.num_columns()) {
      return Status::Invalid("a batch of ", batch.num_columns(), " columns has no key column ",
                             column);
    }
    arrays.push_back(batch.column(column));
  }
  return Encode(arrays);
}

Result<SortKeys> SortKeys::Encode(const std::vector<std::shared_ptr<arrow::Array>>& columns) {
  if (columns.empty()) return Status::Invalid("a key needs at least one column");
  std::vector<std::shared_ptr<arrow::Array>> plain(columns.size());
  for (size_t k = 0; k < columns.size(); ++k) {
    ARROW_ASSIGN_OR_RAISE(plain[k], Plain(columns[k]));
    if (plain[k]->length() != plain[0]->length()) {
      return Status::Invalid("key columns differ in length: ", plain[0]->length(), " and ",
                             plain[k]->length(), " rows");
    }
  }

  SortKeys keys;
  keys.size_ = plain[0]->length();
  const auto rows = static_cast<size_t>(keys.size_);
  for (const auto& column : plain) {
    if (column->null_count() == 0) continue;
    if (keys.valid_.empty()) keys.valid_.assign(rows, 1);
    for (size_t i = 0; i < rows; ++i) keys.valid_[i] &= column->IsValid(static_cast<int64_t>(i));
  }
  if (plain.size() == 1 && IsFixedKeyType(*plain[0]->type())) {
    keys.fixed_ = true;
    keys.fixed_values_ = std::make_shared_for_overwrite<uint64_t[]>(rows);
    if (rows > 0) EncodeFixed(*plain[0], keys.fixed_values_.get());
    return keys;
  }

  std::vector<ByteColumn> writers;
  writers.reserve(plain.size());
  keys.offsets_.assign(rows + 1, 0);
  // offsets_[i + 1] is first the size of row i, then its begin as a cursor, which each column's
  // write moves on until it is the end of row i, which is what it has to be.
  uint64_t* cursors = keys.offsets_.data() + 1;
  for (const auto& column : plain) {
    ByteColumn& writer = writers.emplace_back(*column);
    ARROW_RETURN_NOT_OK(writer.Prepare());
    writer.Size(cursors);
  }
  uint64_t begin = 0;
  for (size_t i = 0; i < rows; ++i) {
    const uint64_t size = cursors[i];
    cursors[i] = begin;
    begin += size;
  }
  keys.bytes_.resize(begin);
  auto* base = reinterpret_cast<uint8_t*>(keys.bytes_.data());
  if (rows > 0) {
    for (const ByteColumn& writer : writers) writer.Write(base, cursors);
  }
  return keys;
}

std::string SortKeys::ToBytes(int64_t i) const {
  if (!fixed_) return std::string(bytes(i));
  std::string bytes(8, '\0');
  PutBigEndian(reinterpret_cast<uint8_t*>(bytes.data()), fixed_values_[static_cast<size_t>(i)]);
  return bytes;
}

}  // namespace tercet
