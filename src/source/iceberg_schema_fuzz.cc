#include <cstddef>
#include <cstdint>
#include <string_view>

#include "source/iceberg_schema.h"

/// No schemas crash their reader.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto metadata =
      tercet::ParseJsonObject(std::string_view(reinterpret_cast<const char*>(data), size));
  if (metadata.ok()) (void)tercet::ReadIcebergSchemas(*metadata);
  return 0;
}
