#include <cstddef>
#include <cstdint>
#include <string_view>

#include "offline/stats_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)tercet::TimeBoundsOf(text, "at");
  (void)tercet::FindJsonMember(text, "minValues");
  return 0;
}
