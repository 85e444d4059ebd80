#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "source/hudi_log.h"

/// No bytes crash the readers of blocks, and what they return lies in the bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto blocks = tercet::ReadHudiLog(bytes);
  if (blocks.ok()) {
    for (const tercet::HudiLogBlock& block : *blocks) {
      if (block.content.size() > size || block.offset >= static_cast<int64_t>(size)) std::abort();
      (void)tercet::ReadHudiDeletes(block.content);
      (void)tercet::ReadHudiAvroRecords(block.content);
    }
  }
  const auto deletes = tercet::ReadHudiDeletes(bytes);
  if (deletes.ok() && deletes->size() > size) std::abort();
  const auto records = tercet::ReadHudiAvroRecords(bytes);
  if (records.ok() && records->size() > size) std::abort();
  return 0;
}
