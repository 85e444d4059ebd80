#pragma once

#include <cstdint>
#include <string>

namespace tercet::avro_bytes {

/// What a file has after its header and each block.
inline const std::string kMarker = "sixteen bytes...";

/// Values as Avro's binary encoding has them, for tests to make bytes of.

inline std::string Long(int64_t value) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  std::string bytes;
  for (; bits >= 0x80; bits >>= 7) bytes += static_cast<char>(bits | 0x80);
  return bytes + static_cast<char>(bits);
}

inline std::string Text(const std::string& text) {
  return Long(static_cast<int64_t>(text.size())) + text;
}

}  // namespace tercet::avro_bytes
