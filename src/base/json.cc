#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json_memory.h"
#include "base/json_parser.h"
#include "base/short_text.h"
#include "base/utf8.h"

namespace tercet {
namespace {

Status WrongType(std::string_view key, std::string_view expected, const json::value& value) {
  return Status::Invalid("member '", key, "' must be ", expected, ", not ",
                         ShortText(ToText(value)));
}

const json::value* FindMember(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool IsFinite(const json::value& value) {
  if (const double* number = value.if_double()) return std::isfinite(*number);
  if (const json::array* array = value.if_array()) {
    return std::all_of(array->begin(), array->end(), IsFinite);
  }
  const json::object* object = value.if_object();
  return object == nullptr ||
         std::all_of(object->begin(), object->end(),
                     [](const auto& member) { return IsFinite(member.value()); });
}

constexpr double kNotFinite[] = {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL, -HUGE_VAL};

/// The text that stands for a number that is not finite.
json::string TextOf(double number) {
  return std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
}

/// The value with text for numbers that are not finite.
json::value Writable(const json::value& value) {
  if (const json::array* array = value.if_array()) {
    json::array written;
    for (const json::value& item : *array) written.push_back(Writable(item));
    return written;
  }
  if (const json::object* object = value.if_object()) {
    json::object written;
    for (const auto& member : *object) written[member.key()] = Writable(member.value());
    return written;
  }
  const double* number = value.if_double();
  if (number == nullptr || std::isfinite(*number)) return value;
  return TextOf(*number);
}

json::value Sorted(const json::value& value) {
  if (const json::array* array = value.if_array()) {
    json::array sorted;
    for (const json::value& item : *array) sorted.push_back(Sorted(item));
    return sorted;
  }
  const json::object* object = value.if_object();
  if (object == nullptr) return value;
  std::vector<std::string_view> keys;
  for (const auto& member : *object) keys.push_back(member.key());
  std::sort(keys.begin(), keys.end());
  json::object sorted;
  for (std::string_view key : keys) sorted[key] = Sorted(object->at(key));
  return sorted;
}

template <typename T>
Result<T> Required(Result<std::optional<T>> found, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(std::optional<T> value, std::move(found));
  if (!value) return Status::Invalid("member '", key, "' is missing");
  return *std::move(value);
}

Result<json::value> Parse(std::string_view text, const JsonLimits& limits,
                          json::storage_ptr memory) {
  if (text.size() > limits.max_bytes) {
    return Status::CapacityError("JSON text of ", text.size(), " bytes; at most ",
                                 limits.max_bytes, " are read");
  }
  json::parse_options options;
  options.max_depth = limits.max_depth;
  json::basic_parser<ExactHandler> parser(options, std::move(memory));
  json::error_code error;
  // It stops at the first character it can't take, so its count is the error's offset.
  const size_t consumed = parser.write_some(false, text.data(), text.size(), error);
  if (!error && consumed < text.size()) {
    return Status::Invalid("malformed JSON at byte ", consumed, ": text after the value");
  }
  if (error) {
    return Status::Invalid("malformed JSON at byte ", consumed, ": ", error.message());
  }
  return parser.handler().stack.release();
}

Result<json::object> ParseObject(std::string_view text, const JsonLimits& limits,
                                 json::storage_ptr memory) {
  ARROW_ASSIGN_OR_RAISE(json::value value, Parse(text, limits, std::move(memory)));
  if (!value.is_object()) return Status::Invalid("expected a JSON object, not ",
                                                 ShortText(ToText(value)));
  return std::move(value.as_object());
}

}  // namespace

Result<json::value> ParseJson(std::string_view text, const JsonLimits& limits) {
  return Parse(text, limits, {});
}

Result<json::object> ParseJsonObject(std::string_view text, const JsonLimits& limits) {
  return ParseObject(text, limits, {});
}

JsonMemory::JsonMemory() : memory_(space_, sizeof(space_)) {}

Result<json::object> JsonMemory::ParseObject(std::string_view text, const JsonLimits& limits) {
  return tercet::ParseObject(text, limits, &memory_);
}

std::string ToText(const json::value& value) {
  std::string text = IsFinite(value) ? json::serialize(value) : json::serialize(Writable(value));
  // A text that quotes what was given, cut somewhere, may end within a character: nobody could read
  // the whole document then.
  return IsUtf8(text) ? std::move(text) : ToUtf8(text);
}

std::string ToCanonicalText(const json::value& value) { return ToText(Sorted(value)); }

Result<std::optional<std::string>> FindString(const json::object& object, std::string_view key) {
  const json::value* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return WrongType(key, "a string", *value);
  return std::string(value->as_string());
}

Result<std::optional<int64_t>> FindInt(const json::object& object, std::string_view key) {
  const json::value* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  json::error_code error;
  const int64_t number = value->is_number() ? value->to_number<int64_t>(error) : 0;
  if (!value->is_number() || error) return WrongType(key, "an integer", *value);
  return number;
}

Result<std::optional<double>> FindDouble(const json::object& object, std::string_view key) {
  const json::value* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->to_number<double>();
  for (const double number : kNotFinite) {
    if (*value == TextOf(number)) return number;
  }
  return WrongType(key, "a number", *value);
}

Result<std::optional<bool>> FindBool(const json::object& object, std::string_view key) {
  const json::value* value = FindMember(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) return WrongType(key, "true or false", *value);
  return value->as_bool();
}

Result<std::vector<std::string>> FindStrings(const json::object& object, std::string_view key) {
  std::vector<std::string> strings;
  const json::value* value = FindMember(object, key);
  if (value == nullptr) return strings;
  if (!value->is_array()) return WrongType(key, "a list of strings", *value);
  for (const json::value& item : value->as_array()) {
    if (!item.is_string()) return WrongType(key, "a list of strings", *value);
    strings.emplace_back(item.as_string());
  }
  return strings;
}

Result<json::object> FindObject(const json::object& object, std::string_view key) {
  const json::value* value = FindMember(object, key);
  if (value == nullptr) return json::object();
  if (!value->is_object()) return WrongType(key, "an object", *value);
  return value->as_object();
}

Result<json::array> FindArray(const json::object& object, std::string_view key) {
  const json::value* value = FindMember(object, key);
  if (value == nullptr) return json::array();
  if (!value->is_array()) return WrongType(key, "a list", *value);
  return value->as_array();
}

Result<std::string> GetString(const json::object& object, std::string_view key) {
  return Required(FindString(object, key), key);
}

Result<int64_t> GetInt(const json::object& object, std::string_view key) {
  return Required(FindInt(object, key), key);
}

json::array ToJsonArray(const std::vector<std::string>& values) {
  json::array array;
  for (const std::string& value : values) array.emplace_back(value);
  return array;
}

}  // namespace tercet
