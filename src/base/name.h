#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet {

/// OK when `name` may name a noun: 1–63 characters of a–z, A–Z, 0–9, '_' and '-', starting with a
/// letter. So a name never escapes the project's folder. `noun` says what was named in the error.
Status CheckName(std::string_view noun, std::string_view name);

/// OK when `name` may name a column: 1–255 bytes of UTF-8 without control characters.
Status CheckColumnName(std::string_view name);

/// The nearest of `known` by edit distance, as " (did you mean 'amount'?)", or a list of what
/// there is when none is near and there are at most ten, or "" when there is none.
std::string Suggest(std::string_view name, const std::vector<std::string>& known);

}  // namespace tercet
