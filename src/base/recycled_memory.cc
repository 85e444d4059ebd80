#include "base/recycled_memory.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <vector>

#include <arrow/status.h>

#include "base/counted_pool.h"
#include "base/large_memory.h"

namespace tercet {
namespace {

constexpr int64_t kLeastBytes = 64 << 10;  // below, the C library keeps them itself
constexpr int64_t kSizesPerDoubling = 8;   // so that at most an eighth is wasted
constexpr int64_t kAlignment = 64;

/// The size that is really taken, of few different ones, so that blocks fit more than one batch.
int64_t ClassOf(int64_t size) {
  const auto step =
      static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(size))) / kSizesPerDoubling;
  return (size + step - 1) / step * step;
}

class RecyclingPool : public CountedPool {
 public:
  using CountedPool::Allocate;
  using CountedPool::Free;
  using CountedPool::Reallocate;

  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    if (size < kLeastBytes || alignment > kAlignment) return pool_->Allocate(size, alignment, out);
    const int64_t bytes = ClassOf(size);
    {
      std::lock_guard lock(mutex_);
      const auto found = kept_.find(bytes);
      if (found != kept_.end()) {
        *out = found->second.back();
        found->second.pop_back();
        if (found->second.empty()) kept_.erase(found);
        kept_bytes_ -= bytes;
        statistics_.DidAllocateBytes(size);
        return arrow::Status::OK();
      }
    }
    ARROW_RETURN_NOT_OK(pool_->Allocate(bytes, kAlignment, out));
    statistics_.DidAllocateBytes(size);
    return arrow::Status::OK();
  }

  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                           uint8_t** memory) override {
    return CopyToOther(old_size, new_size, alignment, memory);
  }

  void Free(uint8_t* memory, int64_t size, int64_t alignment) override {
    if (size < kLeastBytes || alignment > kAlignment) return pool_->Free(memory, size, alignment);
    statistics_.DidFreeBytes(size);
    const int64_t bytes = ClassOf(size);
    {
      std::lock_guard lock(mutex_);
      if (kept_bytes_ + bytes <= limit_bytes_) {
        kept_[bytes].push_back(memory);
        kept_bytes_ += bytes;
        return;
      }
    }
    pool_->Free(memory, bytes, kAlignment);
  }

  /// Lets go of what is more than the limit, which changes by so many bytes.
  void ChangeLimit(int64_t more_bytes) {
    std::lock_guard lock(mutex_);
    limit_bytes_ += more_bytes;
    while (kept_bytes_ > limit_bytes_) {
      const auto last = std::prev(kept_.end());
      pool_->Free(last->second.back(), last->first, kAlignment);
      kept_bytes_ -= last->first;
      last->second.pop_back();
      if (last->second.empty()) kept_.erase(last);
    }
  }

  std::string backend_name() const override { return "recycled"; }

 private:
  arrow::MemoryPool* const pool_ = LargeMemory();
  std::mutex mutex_;
  std::map<int64_t, std::vector<uint8_t*>> kept_;  // by size; guarded by mutex_, as the rest is
  int64_t kept_bytes_ = 0, limit_bytes_ = 0;
};

RecyclingPool* ThePool() {
  static auto* const pool = new RecyclingPool;
  return pool;
}

}  // namespace

arrow::MemoryPool* RecycledMemory() { return ThePool(); }

RecycledMemoryUse::RecycledMemoryUse(int64_t limit_bytes)
    : limit_bytes_(std::max<int64_t>(limit_bytes, 0)) {
  ThePool()->ChangeLimit(limit_bytes_);
}

RecycledMemoryUse::~RecycledMemoryUse() { ThePool()->ChangeLimit(-limit_bytes_); }

}  // namespace tercet
