#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <arrow/memory_pool.h>
#include <arrow/status.h>

namespace tercet {

/// What our memory pools share: figures of what is in use, and memory that grows by being copied.
class CountedPool : public arrow::MemoryPool {
 public:
  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;

  int64_t bytes_allocated() const override { return statistics_.bytes_allocated(); }
  int64_t total_bytes_allocated() const override { return statistics_.total_bytes_allocated(); }
  int64_t num_allocations() const override { return statistics_.num_allocations(); }
  int64_t max_memory() const override { return statistics_.max_memory(); }

 protected:
  arrow::Status CopyToOther(int64_t old_size, int64_t new_size, int64_t alignment,
                            uint8_t** memory) {
    uint8_t* other;
    ARROW_RETURN_NOT_OK(Allocate(new_size, alignment, &other));
    std::memcpy(other, *memory, static_cast<size_t>(std::min(old_size, new_size)));
    Free(*memory, old_size, alignment);
    *memory = other;
    return arrow::Status::OK();
  }

  /// Of what the pool itself gave out, not another pool that it asks.
  arrow::internal::MemoryPoolStats statistics_;
};

}  // namespace tercet
