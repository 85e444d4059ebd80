#pragma once

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// Sets `bytes` to what the environment variable says, if it is there and not empty. Invalid when
/// that is no number of bytes.
template <typename Integer>
Status ReadBytesFromEnvironment(const char* name, Integer* bytes) {
  const char* value = std::getenv(name);
  const std::string_view text(value == nullptr ? "" : value);
  if (text.empty()) return Status::OK();
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *bytes);
  if (error == std::errc() && rest == end) return Status::OK();
  return Status::Invalid(name, " must be a number of bytes, not '", text, "'");
}

}  // namespace tercet
