#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"

/// No bytes crash the parser, and what it reads it writes so that it reads the same again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const tercet::Result<tercet::json::value> value = tercet::ParseJson(text);
  if (!value.ok()) return 0;
  const std::string written = tercet::ToText(*value);
  const tercet::Result<tercet::json::value> again = tercet::ParseJson(written);
  if (!again.ok() || tercet::ToText(*again) != written) std::abort();
  return 0;
}
