#include "cli/shown_value.h"

#include <algorithm>
#include <charconv>

#include "base/rows_to_json.h"

namespace tercet {
namespace {

bool IsNumberCharacter(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/// One number of a JSON text, as a person would write it.
std::string PlainNumber(std::string_view number) {
  double value = 0;
  if (number.find('E') == std::string_view::npos ||
      std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc()) {
    return std::string(number);
  }
  std::string plain;
  AppendJsonNumber(value, &plain);
  const bool whole = plain.find_first_of(".e") == std::string::npos;
  return whole ? plain + ".0" : plain;
}

bool IsScalar(const json::value& value) { return !value.is_object() && !value.is_array(); }

/// {"name": "rain", "type": "double"}
bool IsColumn(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return false;
  const json::value* name = object->if_contains("name");
  const json::value* type = object->if_contains("type");
  return name != nullptr && name->is_string() && type != nullptr && type->is_string();
}

std::string ShownList(const json::array& array) {
  std::string text;
  for (const json::value& item : array) {
    if (!text.empty()) text += ", ";
    text += IsColumn(item) ? ShownValue(item.at("name")) + ": " + ShownValue(item.at("type"))
                           : ShownValue(item);
  }
  return text;
}

}  // namespace

std::string PlainJson(const json::value& value) {
  const std::string text = ToText(value);
  std::string plain;
  plain.reserve(text.size());
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted || !IsNumberCharacter(c) || c == 'e') {  // 'e' begins no number: true, false
      if (c == '"') quoted = !quoted;
      plain += c;
      if (quoted && c == '\\') plain += text[++i];
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsNumberCharacter(text[end])) ++end;
    plain += PlainNumber(std::string_view(text).substr(i, end - i));
    i = end - 1;
  }
  return plain;
}

std::string ShownValue(const json::value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return std::string(value.as_string());
  if (const json::array* array = value.if_array()) {
    const bool plain = std::all_of(array->begin(), array->end(), [](const json::value& item) {
      return IsScalar(item) || IsColumn(item);
    });
    return plain ? ShownList(*array) : PlainJson(value);
  }
  const json::object* object = value.if_object();
  if (object == nullptr) return PlainJson(value);
  const json::value* inputs = object->if_contains("inputs");
  const json::value* outputs = object->if_contains("outputs");
  if (object->size() == 2 && inputs != nullptr && outputs != nullptr) {
    return ShownValue(*inputs) + " → " + ShownValue(*outputs);
  }
  std::string text;
  for (const auto& member : *object) {
    if (!IsScalar(member.value())) return PlainJson(value);
    if (!text.empty()) text += ", ";
    text += std::string(member.key()) + "=" + ShownValue(member.value());
  }
  return text;
}

}  // namespace tercet
