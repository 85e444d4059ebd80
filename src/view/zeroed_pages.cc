#include "view/zeroed_pages.h"

#include <cstring>

#include "base/large_memory.h"

namespace tercet {

Result<std::shared_ptr<arrow::Buffer>> ZeroedPages(int64_t size_bytes, arrow::MemoryPool* memory) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(size_bytes, memory));
  // Arrow rounds the size up, so that a buffer just below may be large as well: no harm.
  if (memory != LargeMemory() || size_bytes < kLargeBytes) {
    std::memset(buffer->mutable_data(), 0, static_cast<size_t>(size_bytes));
  }
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

}  // namespace tercet
