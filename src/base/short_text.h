#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tercet {

/// A text as a message quotes it: whole, or its first characters, of at most `most_bytes`, and "…".
/// What somebody sent may be a megabyte long; a character is never cut in two.
std::string ShortText(std::string_view text, size_t most_bytes = 80);

}  // namespace tercet
