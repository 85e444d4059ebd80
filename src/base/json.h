#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/result.h"

namespace tercet {

namespace json = boost::json;

struct JsonLimits {
  size_t max_bytes = 64 << 20;  ///< a longer text is a CapacityError
  size_t max_depth = 32;        ///< a deeper text is Invalid
};

/// Parses one JSON text (UTF-8, RFC 8259). Invalid with the byte offset when malformed, too deep
/// or with a number beyond the range of doubles, CapacityError when too large.
Result<json::value> ParseJson(std::string_view text, const JsonLimits& limits = {});

/// Like ParseJson, and Invalid unless the text is an object.
Result<json::object> ParseJsonObject(std::string_view text, const JsonLimits& limits = {});

/// Compact text of a value. Objects keep their insertion order. Doubles round-trip exactly. JSON
/// has no numbers that are not finite: they are written as "NaN", "Infinity" and "-Infinity".
std::string ToText(const json::value& value);

/// The canonical text that content addresses are made of: like ToText with keys sorted.
std::string ToCanonicalText(const json::value& value);

/// Readers of one member. `Get…` is Invalid when the member is missing or of another type, and
/// names it; `Find…` returns nullopt when it is missing or null, Invalid when of another type.
Result<std::string> GetString(const json::object& object, std::string_view key);
Result<int64_t> GetInt(const json::object& object, std::string_view key);
Result<std::optional<std::string>> FindString(const json::object& object, std::string_view key);
Result<std::optional<int64_t>> FindInt(const json::object& object, std::string_view key);
/// Takes the texts of numbers that are not finite, too.
Result<std::optional<double>> FindDouble(const json::object& object, std::string_view key);
Result<std::optional<bool>> FindBool(const json::object& object, std::string_view key);
/// An empty list when the member is missing.
Result<std::vector<std::string>> FindStrings(const json::object& object, std::string_view key);
/// An empty object/array when the member is missing.
Result<json::object> FindObject(const json::object& object, std::string_view key);
Result<json::array> FindArray(const json::object& object, std::string_view key);

json::array ToJsonArray(const std::vector<std::string>& values);

}  // namespace tercet
