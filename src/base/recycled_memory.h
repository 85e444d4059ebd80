#pragma once

#include <cstdint>

#include <arrow/memory_pool.h>

namespace tercet {

/// A pool for columns that come in batches of the same sizes: what a batch gives back is kept, with
/// its pages, for the next one, so that the kernel hands out and clears each page once a stream and
/// not once a batch. Memory is not zeroed. Small allocations come from the C library, the others
/// from LargeMemory(). Thread-safe; never destroyed, so that buffers may outlive every stream.
arrow::MemoryPool* RecycledMemory();

/// While one of these lives, RecycledMemory() keeps what comes back, at most as many bytes as all
/// of them together allow; with the last one it lets go of all that it keeps.
class RecycledMemoryUse {
 public:
  explicit RecycledMemoryUse(int64_t limit_bytes);
  ~RecycledMemoryUse();
  RecycledMemoryUse(const RecycledMemoryUse&) = delete;
  RecycledMemoryUse& operator=(const RecycledMemoryUse&) = delete;

 private:
  const int64_t limit_bytes_;
};

}  // namespace tercet
