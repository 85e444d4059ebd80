#include "catalog/definition_json.h"

#include "base/name.h"
#include "base/short_text.h"

namespace tercet {
namespace {

Status WrongMember(std::string_view key, const json::key_value_pair& member,
                   std::string_view expected) {
  return Status::Invalid("member '", key, ".", std::string_view(member.key()), "' must be ",
                         expected, ", not ", ShortText(ToText(member.value())));
}

}  // namespace

Status CheckMembers(std::string_view noun, const json::object& object,
                    std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    const std::string_view key = member.key();
    bool found = false;
    for (const std::string_view name : known) found = found || name == key;
    if (!found) {
      const std::vector<std::string> names(known.begin(), known.end());
      return Status::Invalid(noun, " has no member '", ShortText(key), "'",
                             Suggest(key, names));
    }
  }
  return Status::OK();
}

json::object ToJsonObject(const std::map<std::string, std::string>& members) {
  json::object object;
  for (const auto& [key, value] : members) object[key] = value;
  return object;
}

json::object ToJsonObject(const std::map<std::string, int64_t>& members) {
  json::object object;
  for (const auto& [key, value] : members) object[key] = value;
  return object;
}

json::object ToJsonObject(const std::vector<std::pair<std::string, std::string>>& members) {
  json::object object;
  for (const auto& [key, value] : members) object[key] = value;
  return object;
}

json::value OrNull(const std::optional<int64_t>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

json::value OrNull(const std::optional<Ref>& ref) {
  return ref ? json::value(ref->ToText()) : json::value(nullptr);
}

Result<std::vector<std::pair<std::string, std::string>>> FindStringPairs(
    const json::object& object, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const json::object members, FindObject(object, key));
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& member : members) {
    if (!member.value().is_string()) return WrongMember(key, member, "a string");
    pairs.emplace_back(std::string(member.key()), std::string(member.value().as_string()));
  }
  return pairs;
}

Result<std::map<std::string, std::string>> FindStringMap(const json::object& object,
                                                         std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const auto pairs, FindStringPairs(object, key));
  return std::map<std::string, std::string>(pairs.begin(), pairs.end());
}

Result<std::map<std::string, int64_t>> FindIntMap(const json::object& object,
                                                  std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const json::object members, FindObject(object, key));
  std::map<std::string, int64_t> numbers;
  for (const auto& member : members) {
    json::error_code error;
    const bool is_number = member.value().is_number();
    const int64_t number = is_number ? member.value().to_number<int64_t>(error) : 0;
    if (!is_number || error) return WrongMember(key, member, "an integer");
    numbers[std::string(member.key())] = number;
  }
  return numbers;
}

Result<std::optional<Ref>> FindRef(const json::object& object, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> text, FindString(object, key));
  if (!text) return std::nullopt;
  Result<Ref> ref = Ref::Parse(*text);
  if (!ref.ok()) return Explain(ref.status(), "member '" + std::string(key) + "'");
  return *std::move(ref);
}

Result<json::object> FindMetrics(const json::object& object, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const json::object members, FindObject(object, key));
  json::object metrics;
  for (const auto& member : members) {
    const Result<std::optional<double>> number = FindDouble(members, member.key());
    if (!number.ok() || !*number) return WrongMember(key, member, "a number");
    metrics[member.key()] = **number;
  }
  return metrics;
}

Result<std::vector<json::object>> FindObjects(const json::object& object, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(const json::array array, FindArray(object, key));
  std::vector<json::object> objects;
  for (const json::value& item : array) {
    if (!item.is_object()) {
      return Status::Invalid("member '", key, "' must be a list of objects, not of ",
                             ShortText(ToText(item)));
    }
    objects.push_back(item.as_object());
  }
  return objects;
}

}  // namespace tercet
