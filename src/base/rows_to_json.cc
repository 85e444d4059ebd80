#include "base/rows_to_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include <arrow/array/array_binary.h>
#include <arrow/array/array_decimal.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/base64.h>
#include <arrow/util/float16.h>

#include "base/time_text.h"

namespace tercet {
namespace {

template <typename Number>
void AppendInteger(Number value, std::string* out) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out->append(text, end);
}

/// Writes what has at most three decimals, as most amounts, counts and measures do, in a third of
/// the time that any double takes, and with the same digits; false for all others. A decimal of at
/// most 15 digits that reads back as the double is the only such one, so the fewest decimals are
/// the shortest text (IEEE 754: DBL_DIG).
bool AppendShortDecimal(double value, std::string* out) {
  constexpr std::array<int64_t, 4> kPowers = {1, 10, 100, 1000};
  const double size = std::fabs(value);
  if (!(size < 1e12)) return false;
  for (size_t decimals = 0; decimals < kPowers.size(); ++decimals) {
    const auto power = static_cast<double>(kPowers[decimals]);
    // The product may be off by a little; the quotient of two that are exact is what text reads as.
    const auto digits = static_cast<int64_t>(size * power + 0.5);
    if (static_cast<double>(digits) / power != size) continue;
    // "-0", and "1e+05", which is shorter.
    if (decimals == 0 && (digits == 0 ? std::signbit(value) : digits % 100'000 == 0)) return false;
    char text[24];
    char* end = text;
    if (value < 0) *end++ = '-';
    end = std::to_chars(end, text + sizeof(text), digits / kPowers[decimals]).ptr;
    int64_t rest = digits % kPowers[decimals];
    if (decimals > 0) *end = '.';
    for (size_t i = decimals; i > 0; --i, rest /= 10) end[i] = static_cast<char>('0' + rest % 10);
    if (decimals > 0) end += decimals + 1;
    out->append(text, end);
    return true;
  }
  return false;
}

template <typename Float>
void AppendFloat(Float value, std::string* out) {
  if constexpr (std::is_same_v<Float, double>) {
    if (AppendShortDecimal(value, out)) return;
  }
  if (!std::isfinite(value)) {
    out->append(std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    return;
  }
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out->append(text, end);
}

/// ISO 8601; without a 'Z' when the type has no zone.
std::string TimestampText(const arrow::TimestampType& type, int64_t value) {
  int64_t time_us = value;
  int64_t nanoseconds = 0;
  bool overflow = false;
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      overflow = __builtin_mul_overflow(value, int64_t{1'000'000}, &time_us);
      break;
    case arrow::TimeUnit::MILLI:
      overflow = __builtin_mul_overflow(value, int64_t{1'000}, &time_us);
      break;
    case arrow::TimeUnit::MICRO:
      break;
    case arrow::TimeUnit::NANO:
      nanoseconds = ((value % 1000) + 1000) % 1000;
      time_us = (value - nanoseconds) / 1000;
      break;
  }
  if (overflow) return std::to_string(value);
  std::string text = FormatTime(time_us);
  text.pop_back();
  if (nanoseconds != 0) {
    if (text.find('.') == std::string::npos) text += ".000000";
    std::string digits = std::to_string(1000 + nanoseconds);
    text += digits.substr(1);
  }
  if (!type.timezone().empty()) text += 'Z';
  return text;
}

std::string DateText(int64_t days) { return FormatTime(days * 86'400'000'000).substr(0, 10); }

template <typename Array>
void AppendList(const Array& array, int64_t row, std::string* out) {
  out->push_back('[');
  for (int64_t i = 0; i < array.value_length(row); ++i) {
    if (i > 0) out->push_back(',');
    AppendJsonCell(*array.values(), array.value_offset(row) + i, out);
  }
  out->push_back(']');
}

/// An object; keys that are no texts are written as ones.
void AppendMap(const arrow::MapArray& maps, int64_t row, std::string* out) {
  out->push_back('{');
  for (int64_t i = maps.value_offset(row); i < maps.value_offset(row) + maps.value_length(row);
       ++i) {
    if (i > maps.value_offset(row)) out->push_back(',');
    std::string key;
    AppendJsonCell(*maps.keys(), i, &key);
    out->append(key.starts_with('"') ? key : '"' + key + '"');
    out->push_back(':');
    AppendJsonCell(*maps.items(), i, out);
  }
  out->push_back('}');
}

void AppendStruct(const arrow::StructArray& structs, int64_t row, std::string* out) {
  out->push_back('{');
  for (int i = 0; i < structs.num_fields(); ++i) {
    if (i > 0) out->push_back(',');
    AppendJsonText(structs.type()->field(i)->name(), out);
    out->push_back(':');
    AppendJsonCell(*structs.field(i), row, out);
  }
  out->push_back('}');
}

template <typename Array>
const Array& As(const arrow::Array& array) {
  return static_cast<const Array&>(array);
}

/// How many bytes at the front of a text, eight at a time, are written as they are.
size_t CleanBytes(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHighBits = 0x80 * kOnes;
  // The highest bit of each byte that is zero, and perhaps of some above the first (Mycroft).
  const auto zeros = [](uint64_t word) { return (word - kOnes) & ~word & kHighBits; };
  size_t clean = 0;
  for (; clean + 8 <= text.size(); clean += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + clean, sizeof(word));
    const uint64_t control = (word - 0x20 * kOnes) & ~word & kHighBits;
    if ((control | zeros(word ^ '"' * kOnes) | zeros(word ^ '\\' * kOnes)) != 0) break;
  }
  return clean;
}

}  // namespace

void AppendJsonText(std::string_view text, std::string* out) {
  out->push_back('"');
  size_t clean = 0;  // everything before it is copied
  for (size_t i = CleanBytes(text); i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out->append(text.substr(clean, i - clean));
    clean = i + 1;
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      default: {
        constexpr char kHex[] = "0123456789abcdef";
        out->append("\\u00");
        out->push_back(kHex[c >> 4]);
        out->push_back(kHex[c & 15]);
      }
    }
  }
  out->append(text.substr(clean));
  out->push_back('"');
}

void AppendJsonNumber(double value, std::string* out) { AppendFloat(value, out); }

void AppendJsonCell(const arrow::DataType& type, const Cell& cell, std::string* out) {
  if (cell.null()) {
    out->append("null");
    return;
  }
  switch (type.id()) {
    case arrow::Type::DOUBLE:
      return AppendFloat(cell.As<double>(), out);
    case arrow::Type::FLOAT:
      return AppendFloat(cell.As<float>(), out);
    case arrow::Type::BOOL:
      out->append(cell.As<uint8_t>() != 0 ? "true" : "false");
      return;
    case arrow::Type::INT8:
      return AppendInteger(cell.As<int8_t>(), out);
    case arrow::Type::INT16:
      return AppendInteger(cell.As<int16_t>(), out);
    case arrow::Type::INT32:
    case arrow::Type::TIME32:
      return AppendInteger(cell.As<int32_t>(), out);
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::DURATION:
      return AppendInteger(cell.As<int64_t>(), out);
    case arrow::Type::UINT8:
      return AppendInteger(cell.As<uint8_t>(), out);
    case arrow::Type::UINT16:
      return AppendInteger(cell.As<uint16_t>(), out);
    case arrow::Type::UINT32:
      return AppendInteger(cell.As<uint32_t>(), out);
    case arrow::Type::UINT64:
      return AppendInteger(cell.As<uint64_t>(), out);
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
      return AppendJsonText(cell.bytes(), out);
    case arrow::Type::TIMESTAMP:
      return AppendJsonText(
          TimestampText(static_cast<const arrow::TimestampType&>(type), cell.As<int64_t>()), out);
    case arrow::Type::DATE32:
      return AppendJsonText(DateText(cell.As<int32_t>()), out);
    case arrow::Type::DATE64:
      return AppendJsonText(DateText(cell.As<int64_t>() / 86'400'000), out);
    default:  // binary
      return AppendJsonText(arrow::util::base64_encode(cell.bytes()), out);
  }
}

void AppendJsonCell(const arrow::Array& array, int64_t row, std::string* out) {
  if (IsCellType(*array.type())) return AppendJsonCell(*array.type(), CellOf(array, row), out);
  if (array.IsNull(row)) {
    out->append("null");
    return;
  }
  switch (array.type_id()) {
    case arrow::Type::LIST:
      return AppendList(As<arrow::ListArray>(array), row, out);
    case arrow::Type::LARGE_LIST:
      return AppendList(As<arrow::LargeListArray>(array), row, out);
    case arrow::Type::FIXED_SIZE_LIST:
      return AppendList(As<arrow::FixedSizeListArray>(array), row, out);
    case arrow::Type::HALF_FLOAT: {
      const uint16_t bits = As<arrow::HalfFloatArray>(array).Value(row);
      return AppendFloat(arrow::util::Float16::FromBits(bits).ToFloat(), out);
    }
    case arrow::Type::FIXED_SIZE_BINARY:
      return AppendJsonText(
          arrow::util::base64_encode(As<arrow::FixedSizeBinaryArray>(array).GetView(row)), out);
    case arrow::Type::MAP:
      return AppendMap(As<arrow::MapArray>(array), row, out);
    case arrow::Type::STRUCT:
      return AppendStruct(As<arrow::StructArray>(array), row, out);
    default: {
      const Result<std::shared_ptr<arrow::Scalar>> scalar = array.GetScalar(row);
      AppendJsonText(scalar.ok() ? (*scalar)->ToString() : scalar.status().message(), out);
    }
  }
}

void AppendJsonRow(const arrow::Schema& schema, std::span<const Cell> cells, std::string* out) {
  out->push_back('{');
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (i > 0) out->push_back(',');
    AppendJsonText(schema.field(i)->name(), out);
    out->push_back(':');
    AppendJsonCell(*schema.field(i)->type(), cells[static_cast<size_t>(i)], out);
  }
  out->push_back('}');
}

void AppendJsonRow(const arrow::RecordBatch& batch, int64_t row, std::string* out) {
  out->push_back('{');
  for (int i = 0; i < batch.num_columns(); ++i) {
    if (i > 0) out->push_back(',');
    AppendJsonText(batch.schema()->field(i)->name(), out);
    out->push_back(':');
    AppendJsonCell(*batch.column(i), row, out);
  }
  out->push_back('}');
}

std::string CellText(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "";
  if (array.type_id() == arrow::Type::STRING) {
    return std::string(As<arrow::StringArray>(array).GetView(row));
  }
  if (array.type_id() == arrow::Type::LARGE_STRING) {
    return std::string(As<arrow::LargeStringArray>(array).GetView(row));
  }
  std::string text;
  AppendJsonCell(array, row, &text);
  if (text.size() >= 2 && text.front() == '"') return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace tercet
