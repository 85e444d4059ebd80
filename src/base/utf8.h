#pragma once

#include <string>
#include <string_view>

namespace tercet {

/// Whether all bytes are those of UTF-8 characters.
bool IsUtf8(std::string_view bytes);

/// The text with U+FFFD in place of each byte that is no part of a UTF-8 character. Messages may
/// quote what a client sent, cut somewhere; what goes out as JSON or into Python must be text.
std::string ToUtf8(std::string_view bytes);

}  // namespace tercet
