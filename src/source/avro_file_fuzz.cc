#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "source/avro_file.h"

/// No bytes crash the reader, and few bytes never become many values: four a byte, of bytes that
/// were at most 1,100 times fewer when they were compressed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto items =
      tercet::ReadAvroFile(std::string_view(reinterpret_cast<const char*>(data), size));
  if (items.ok() && items->size() > size * 4 * 1100) std::abort();
  return 0;
}
