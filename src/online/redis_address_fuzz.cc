// Any text is an address of a Redis that makes sense, or is refused as Invalid.
#include <cstddef>
#include <cstdint>
#include <string>

#include "online/redis_address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tercet;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Result<RedisAddress> address = RedisAddress::Parse(text);
  if (!address.ok()) {
    if (!address.status().IsInvalid()) __builtin_trap();
    return 0;
  }
  if (address->host.empty() || address->port <= 0 || address->port > 65535) __builtin_trap();
  if (address->tls.has_value() != text.starts_with("rediss://")) __builtin_trap();
  for (const std::string& node : address->others) {
    if (node.rfind(':') + 1 == node.size()) __builtin_trap();
  }
  return 0;
}
