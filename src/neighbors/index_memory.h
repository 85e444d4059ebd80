#pragma once

#include <atomic>
#include <cstddef>

#include "base/result.h"

namespace tercet {

/// What the indexes of a process take of memory, and may take. Thread-safe.
class IndexMemory {
 public:
  explicit IndexMemory(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  size_t limit_bytes() const { return limit_bytes_; }
  size_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }

 private:
  friend class MemoryShare;
  const size_t limit_bytes_;
  std::atomic<size_t> used_bytes_{0};
};

/// One index's part, given back at its end. Used by one thread at a time.
class MemoryShare {
 public:
  explicit MemoryShare(IndexMemory* memory) : memory_(memory) {}
  ~MemoryShare() { Set(0).ok(); }
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;

  size_t bytes() const { return bytes_; }

  /// That the index has `bytes` now. CapacityError, with nothing changed, when that is more than
  /// before and more than all may have.
  Status Set(size_t bytes) {
    const size_t before = memory_->used_bytes_.fetch_add(bytes - bytes_);
    if (bytes > bytes_ && before + (bytes - bytes_) > memory_->limit_bytes_) {
      memory_->used_bytes_.fetch_sub(bytes - bytes_);
      return Status::CapacityError("indexes of embeddings may take ", memory_->limit_bytes_,
                                   " bytes of memory in this process, of which ", before,
                                   " are taken and ", bytes - bytes_,
                                   " more are needed; raise TERCET_INDEX_BYTES");
    }
    bytes_ = bytes;
    return Status::OK();
  }

 private:
  IndexMemory* const memory_;
  size_t bytes_ = 0;
};

}  // namespace tercet
