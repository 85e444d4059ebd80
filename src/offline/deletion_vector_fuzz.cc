// Deletion vectors: whatever the bytes, an answer or an error; and an answer is kept exactly.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "offline/deletion_vector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)tercet::DecodeZ85(bytes);
  const auto rows = tercet::DecodeVector(bytes, 1 << 20);
  if (!rows.ok()) return 0;
  const auto again = tercet::DecodeVector(tercet::EncodeVector(*rows));
  if (!again.ok() || *again != *rows) std::abort();
  return 0;
}
