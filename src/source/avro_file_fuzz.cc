#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "source/avro_file.h"

/// No bytes crash the reader, and few bytes never become many values.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto items =
      tercet::ReadAvroFile(std::string_view(reinterpret_cast<const char*>(data), size));
  if (items.ok() && items->size() > size * 4) std::abort();
  return 0;
}
