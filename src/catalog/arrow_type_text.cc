#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include <arrow/type.h>

#include "base/name.h"
#include "base/short_text.h"
#include "catalog/feature_group.h"
#include "catalog/feature_type.h"

namespace tercet {
namespace {

using TypePointer = std::shared_ptr<arrow::DataType>;

/// Types without parameters: Arrow's own text first, then aliases of NumPy, pandas and Polars.
const std::map<std::string, TypePointer, std::less<>>& PlainTypes() {
  static const auto* types = new std::map<std::string, TypePointer, std::less<>>{
      {"null", arrow::null()},
      {"bool", arrow::boolean()},
      {"int8", arrow::int8()},
      {"int16", arrow::int16()},
      {"int32", arrow::int32()},
      {"int64", arrow::int64()},
      {"uint8", arrow::uint8()},
      {"uint16", arrow::uint16()},
      {"uint32", arrow::uint32()},
      {"uint64", arrow::uint64()},
      {"halffloat", arrow::float16()},
      {"float", arrow::float32()},
      {"double", arrow::float64()},
      {"string", arrow::utf8()},
      {"large_string", arrow::large_utf8()},
      {"string_view", arrow::utf8_view()},
      {"binary", arrow::binary()},
      {"large_binary", arrow::large_binary()},
      {"binary_view", arrow::binary_view()},
      {"date32[day]", arrow::date32()},
      {"date64[ms]", arrow::date64()},
      {"month_interval", arrow::month_interval()},
      {"day_time_interval", arrow::day_time_interval()},
      {"month_day_nano_interval", arrow::month_day_nano_interval()},
      {"boolean", arrow::boolean()},
      {"bool_", arrow::boolean()},
      {"int", arrow::int64()},
      {"Int8", arrow::int8()},
      {"Int16", arrow::int16()},
      {"Int32", arrow::int32()},
      {"Int64", arrow::int64()},
      {"UInt8", arrow::uint8()},
      {"UInt16", arrow::uint16()},
      {"UInt32", arrow::uint32()},
      {"UInt64", arrow::uint64()},
      {"float16", arrow::float16()},
      {"float32", arrow::float32()},
      {"float64", arrow::float64()},
      {"Float32", arrow::float32()},
      {"Float64", arrow::float64()},
      {"half", arrow::float16()},
      {"str", arrow::utf8()},
      {"utf8", arrow::utf8()},
      {"String", arrow::utf8()},
      {"object", arrow::utf8()},
      {"large_utf8", arrow::large_utf8()},
      {"bytes", arrow::binary()},
      {"date", arrow::date32()},
      {"date32", arrow::date32()},
      {"date64", arrow::date64()},
      {"timestamp", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"datetime", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"time", arrow::time64(arrow::TimeUnit::MICRO)},
  };
  return *types;
}

/// A recursive-descent reader of one type. `position_` only moves forward, and types nest at most
/// kMaxTypeDepth deep, so hostile text ends early.
class TypeReader {
 public:
  explicit TypeReader(std::string_view text) : text_(text) {}

  Result<TypePointer> ReadAll() {
    ARROW_ASSIGN_OR_RAISE(TypePointer type, Read(0));
    SkipSpace();
    if (position_ != text_.size()) return Unknown();
    return type;
  }

 private:
  Status Unknown() const {
    std::vector<std::string> names;
    for (const auto& [name, type] : PlainTypes()) names.push_back(name);
    for (const char* name : {"timestamp[us]", "timestamp[us, tz=UTC]", "time64[us]",
                             "duration[us]", "decimal128(10, 2)", "list<item: int64>",
                             "map<string, double>", "struct<a: int64, b: string>"}) {
      names.emplace_back(name);
    }
    return Status::Invalid("no data type is written '", ShortText(text_, 120), "'",
                           Suggest(text_, names),
                           "; there are int64, double, string, bool, timestamp[us, tz=UTC], "
                           "date32[day], decimal128(10, 2), list<item: float> and others of Arrow");
  }

  void SkipSpace() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }

  bool Take(std::string_view token) {
    SkipSpace();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  std::string_view TakeWhile(const std::function<bool(char)>& wanted) {
    SkipSpace();
    const size_t begin = position_;
    while (position_ < text_.size() && wanted(text_[position_])) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  static bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

  Result<int32_t> Number() {
    const std::string_view digits =
        TakeWhile([](char c) { return (c >= '0' && c <= '9') || c == '-'; });
    int32_t number = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size()) return Unknown();
    return number;
  }

  Result<arrow::TimeUnit::type> Unit() {
    const std::string_view unit = TakeWhile(IsWord);
    if (unit == "s") return arrow::TimeUnit::SECOND;
    if (unit == "ms") return arrow::TimeUnit::MILLI;
    if (unit == "us") return arrow::TimeUnit::MICRO;
    if (unit == "ns") return arrow::TimeUnit::NANO;
    return Unknown();
  }

  Result<TypePointer> Read(int depth) {
    if (depth > kMaxTypeDepth) {
      return Status::Invalid("data type '", ShortText(text_, 120), "' nests more than ",
                             kMaxTypeDepth, " types");
    }
    const std::string_view word = TakeWhile(IsWord);
    SkipSpace();
    const char next = position_ < text_.size() ? text_[position_] : '\0';
    if (next == '[') return ReadBracketed(word);
    if (next == '(') return ReadDecimal(word);
    if (next == '<' && word == "map") return ReadMap(depth);
    if (next == '<' && word == "struct") return ReadStruct(depth);
    if (next == '<' && word == "dictionary") return ReadEncoded("<values=", depth);
    if (next == '<' && word == "run_end_encoded") return ReadEncoded("values: ", depth);
    if (next == '<') return ReadList(word, depth);
    const auto found = PlainTypes().find(word);
    if (found == PlainTypes().end()) return Unknown();
    return found->second;
  }

  Result<TypePointer> ReadBracketed(std::string_view word) {
    Take("[");
    if (word == "fixed_size_binary") {
      ARROW_ASSIGN_OR_RAISE(const int32_t width, Number());
      if (width < 0 || !Take("]")) return Unknown();
      return arrow::fixed_size_binary(width);
    }
    if (word == "date32" && Take("day]")) return arrow::date32();
    if (word == "date64" && Take("ms]")) return arrow::date64();
    ARROW_ASSIGN_OR_RAISE(const arrow::TimeUnit::type unit, Unit());
    std::string zone;
    if (Take(",")) {
      Take("tz=");
      zone = TakeWhile([](char c) { return c != ']' && c != ' '; });
      if (zone.empty()) return Unknown();
    }
    if (!Take("]")) return Unknown();
    if (word == "timestamp" || word == "datetime64" || word == "datetime") {
      return arrow::timestamp(unit, zone);
    }
    if (!zone.empty()) return Unknown();
    if (word == "duration" || word == "timedelta64") return arrow::duration(unit);
    const bool coarse = unit == arrow::TimeUnit::SECOND || unit == arrow::TimeUnit::MILLI;
    if (word == "time32" && coarse) return arrow::time32(unit);
    if (word == "time64" && !coarse) return arrow::time64(unit);
    return Unknown();
  }

  Result<TypePointer> ReadDecimal(std::string_view word) {
    Take("(");
    ARROW_ASSIGN_OR_RAISE(const int32_t precision, Number());
    int32_t scale = 0;
    if (Take(",")) {
      ARROW_ASSIGN_OR_RAISE(scale, Number());
    }
    if (!Take(")")) return Unknown();
    // Arrow's makers say what is wrong with a precision.
    if (word == "decimal32") return arrow::Decimal32Type::Make(precision, scale);
    if (word == "decimal64") return arrow::Decimal64Type::Make(precision, scale);
    if (word == "decimal256" || (word == "decimal" && precision > 38)) {
      return arrow::Decimal256Type::Make(precision, scale);
    }
    if (word == "decimal128" || word == "decimal") {
      return arrow::Decimal128Type::Make(precision, scale);
    }
    return Unknown();
  }

  Result<TypePointer> ReadList(std::string_view word, int depth) {
    Take("<");
    // "item: int64" as Arrow writes it, or just "int64".
    std::string name = "item";
    const size_t begin = position_;
    const std::string_view maybe_name =
        TakeWhile([](char c) { return c != ':' && c != '<' && c != '>'; });
    if (Take(":")) {
      name = maybe_name;
    } else {
      position_ = begin;
    }
    ARROW_ASSIGN_OR_RAISE(TypePointer item, Read(depth + 1));
    const bool nullable = !Take("not null");
    if (!Take(">")) return Unknown();
    const auto field = arrow::field(name, std::move(item), nullable);
    if (word == "list" || word == "List" || word == "list_view") return arrow::list(field);
    if (word == "large_list" || word == "large_list_view") return arrow::large_list(field);
    if (word == "fixed_size_list" && Take("[")) {
      ARROW_ASSIGN_OR_RAISE(const int32_t size, Number());
      if (size < 0 || !Take("]")) return Unknown();
      return arrow::fixed_size_list(field, size);
    }
    return Unknown();
  }

  /// "dictionary<values=string, indices=int32, ordered=0>" is the type of its values: an encoding
  /// is no matter of a schema.
  Result<TypePointer> ReadEncoded(std::string_view before_values, int depth) {
    const size_t values = text_.find(before_values, position_);
    if (values == std::string_view::npos) return Unknown();
    position_ = values + before_values.size();
    ARROW_ASSIGN_OR_RAISE(TypePointer type, Read(depth + 1));
    position_ = std::min(text_.find('>', position_), text_.size());
    if (!Take(">")) return Unknown();
    return type;
  }

  /// "map<string, double>".
  Result<TypePointer> ReadMap(int depth) {
    Take("<");
    ARROW_ASSIGN_OR_RAISE(TypePointer key, Read(depth + 1));
    if (!Take(",")) return Unknown();
    ARROW_ASSIGN_OR_RAISE(TypePointer value, Read(depth + 1));
    if (!Take(">")) return Unknown();
    return arrow::map(std::move(key), std::move(value));
  }

  /// "struct<city: string, at: timestamp[us] not null>". A member's name ends at the first colon.
  Result<TypePointer> ReadStruct(int depth) {
    Take("<");
    arrow::FieldVector members;
    while (!Take(">")) {
      if (!members.empty() && !Take(",")) return Unknown();
      const std::string name(TakeWhile([](char c) { return c != ':'; }));
      if (!Take(":")) return Unknown();
      ARROW_ASSIGN_OR_RAISE(TypePointer type, Read(depth + 1));
      members.push_back(arrow::field(name, std::move(type), !Take("not null")));
    }
    return arrow::struct_(std::move(members));
  }

  const std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

Result<TypePointer> TypeFromText(std::string_view text) { return TypeReader(text).ReadAll(); }

}  // namespace tercet
