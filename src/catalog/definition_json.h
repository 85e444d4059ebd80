#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "catalog/noun.h"

namespace tercet {

/// How definitions are read from and written to JSON, one way for all nouns. Readers are strict:
/// a member that a noun does not have is a typing error, and is refused with a suggestion.

/// OK when every member of `object` is one of `known`. `noun` says what was read in the error.
Status CheckMembers(std::string_view noun, const json::object& object,
                    std::initializer_list<std::string_view> known);

json::object ToJsonObject(const std::map<std::string, std::string>& members);
json::object ToJsonObject(const std::map<std::string, int64_t>& members);
json::object ToJsonObject(const std::vector<std::pair<std::string, std::string>>& members);
json::value OrNull(const std::optional<int64_t>& number);

/// Objects whose members are all strings (or all integers); empty when the member is missing.
Result<std::map<std::string, std::string>> FindStringMap(const json::object& object,
                                                         std::string_view key);
Result<std::map<std::string, int64_t>> FindIntMap(const json::object& object,
                                                  std::string_view key);
/// The same in the order of the text.
Result<std::vector<std::pair<std::string, std::string>>> FindStringPairs(
    const json::object& object, std::string_view key);

/// A reference in its text form ("weather@1"), nullopt when the member is missing.
Result<std::optional<Ref>> FindRef(const json::object& object, std::string_view key);
json::value OrNull(const std::optional<Ref>& ref);

/// Metrics may be not finite (a loss that diverged): the texts that ToText writes for such numbers
/// are numbers again. Invalid when a metric is neither a number nor one of those texts.
Result<json::object> FindMetrics(const json::object& object, std::string_view key);

/// A list of {"name": …} records read and checked to be objects.
Result<std::vector<json::object>> FindObjects(const json::object& object, std::string_view key);

}  // namespace tercet
