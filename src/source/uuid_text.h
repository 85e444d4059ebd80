#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tercet {

/// The bytes of a UUID as "f81d4fae-7dec-11d0-a765-00a0c91e6bf6".
inline std::string UuidText(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto byte = static_cast<uint8_t>(bytes[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace tercet
