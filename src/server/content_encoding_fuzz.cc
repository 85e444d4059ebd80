#include "server/content_encoding.h"

/// A packed body, after one byte that says its encoding, is unpacked within the limit or refused.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMaxBytes = 1 << 20;
  if (size < 1) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto decoded =
      tercet::DecodeContent(data[0] % 2 == 0 ? "gzip" : "deflate", body, kMaxBytes);
  if (decoded.ok() && decoded->size() > kMaxBytes) __builtin_trap();
  return 0;
}
