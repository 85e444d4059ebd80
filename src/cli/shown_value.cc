#include "cli/shown_value.h"

#include <algorithm>

#include "client/plain_json.h"

namespace tercet {
namespace {

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
