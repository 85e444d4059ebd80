#include "base/large_memory.h"

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <atomic>

#include <arrow/status.h>

#include "base/counted_pool.h"

namespace tercet {
namespace {

constexpr int64_t kSmallPage = 4096;
constexpr int64_t kHugePage = 2 << 20;
constexpr int64_t kSmallPagesNs = 400'000;     // for one huge page's worth of small ones, at least
constexpr int64_t kMostCreditNs = 20'000'000;  // saved by cheap pages
constexpr int64_t kMostLossNs = 5'000'000;
constexpr int64_t kPauseNs = 5'000'000'000;

int64_t Nanoseconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// Whether huge pages pay on this machine at this time, from what the last ones cost. Threads that
/// change it at once may lose some of that, which does no harm.
class HugePages {
 public:
  bool pay() {
    if (credit_ns_ > -kMostLossNs) return true;
    if (Nanoseconds(CLOCK_MONOTONIC_COARSE) < pause_until_ns_) return false;
    credit_ns_ = 0;
    return true;
  }

  void Took(int64_t ns) {
    credit_ns_ = std::min<int64_t>(credit_ns_ + kSmallPagesNs - ns, kMostCreditNs);
    if (credit_ns_ <= -kMostLossNs) {
      pause_until_ns_ = Nanoseconds(CLOCK_MONOTONIC_COARSE) + kPauseNs;
    }
  }

 private:
  std::atomic<int64_t> credit_ns_{0}, pause_until_ns_{0};
};

HugePages& TheHugePages() {
  static HugePages pages;
  return pages;
}

int64_t MappedBytes(int64_t size) { return (size + kSmallPage - 1) / kSmallPage * kSmallPage; }

/// Gives [begin, end) huge pages while they pay.
void TouchHugePages(uint8_t* begin, uint8_t* end) {
  HugePages& pages = TheHugePages();
  if (!pages.pay()) return;
  const auto size = static_cast<size_t>((end - begin) / kHugePage * kHugePage);
  if (size == 0 || madvise(begin, size, MADV_HUGEPAGE) != 0) return;
  for (uint8_t* page = begin; page < begin + size; page += kHugePage) {
    if (!pages.pay()) {
      madvise(page, static_cast<size_t>(begin + size - page), MADV_NOHUGEPAGE);
      return;
    }
    const int64_t before = Nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    *static_cast<volatile uint8_t*>(page) = 0;
    pages.Took(Nanoseconds(CLOCK_THREAD_CPUTIME_ID) - before);
  }
}

/// Null when there is no memory.
uint8_t* Map(int64_t size) {
  const int64_t wanted = MappedBytes(size), mapped = wanted + kHugePage;
  void* mapping = mmap(nullptr, static_cast<size_t>(mapped), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  // Huge pages lie at multiples of their size; what is mapped before and behind goes back.
  auto* first = static_cast<uint8_t*>(mapping);
  const auto over = static_cast<int64_t>(reinterpret_cast<uintptr_t>(first) % kHugePage);
  const int64_t before = over == 0 ? 0 : kHugePage - over;
  if (before > 0) munmap(first, static_cast<size_t>(before));
  munmap(first + before + wanted, static_cast<size_t>(kHugePage - before));
  TouchHugePages(first + before, first + before + wanted);
  return first + before;
}

class LargePool : public CountedPool {
 public:
  using CountedPool::Allocate;
  using CountedPool::Free;
  using CountedPool::Reallocate;

  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    if (size < kLargeBytes) return small_->Allocate(size, alignment, out);
    uint8_t* mapped = Map(size);
    if (mapped == nullptr) {
      return arrow::Status::OutOfMemory("no memory for a column of ", size, " bytes");
    }
    statistics_.DidAllocateBytes(size);
    *out = mapped;
    return arrow::Status::OK();
  }

  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                           uint8_t** memory) override {
    if (old_size < kLargeBytes && new_size < kLargeBytes) {
      return small_->Reallocate(old_size, new_size, alignment, memory);
    }
    if (old_size >= kLargeBytes && new_size >= kLargeBytes) {
      // Pages move without being copied.
      void* moved = mremap(*memory, static_cast<size_t>(MappedBytes(old_size)),
                           static_cast<size_t>(MappedBytes(new_size)), MREMAP_MAYMOVE);
      if (moved == MAP_FAILED) {
        return arrow::Status::OutOfMemory("no memory for a column of ", new_size, " bytes");
      }
      statistics_.DidReallocateBytes(old_size, new_size);
      *memory = static_cast<uint8_t*>(moved);
      return arrow::Status::OK();
    }
    return CopyToOther(old_size, new_size, alignment, memory);
  }

  void Free(uint8_t* memory, int64_t size, int64_t alignment) override {
    if (size < kLargeBytes) return small_->Free(memory, size, alignment);
    munmap(memory, static_cast<size_t>(MappedBytes(size)));
    statistics_.DidFreeBytes(size);
  }

  std::string backend_name() const override { return "large"; }

 private:
  arrow::MemoryPool* const small_ = arrow::system_memory_pool();
};

}  // namespace

void PopulatePages([[maybe_unused]] void* begin, [[maybe_unused]] int64_t size_bytes) {
#ifdef MADV_POPULATE_WRITE
  if (size_bytes <= 0) return;
  const auto first = reinterpret_cast<uintptr_t>(begin);
  const uintptr_t over = first % kSmallPage;
  // Linux before 5.14 doesn't know it, and where there is no memory the writer will be told.
  static_cast<void>(
      madvise(reinterpret_cast<void*>(first - over),
              static_cast<size_t>(MappedBytes(size_bytes + static_cast<int64_t>(over))),
              MADV_POPULATE_WRITE));
#endif
}

arrow::MemoryPool* LargeMemory() {
  static auto* const pool = new LargePool;  // buffers may outlive every static object
  return pool;
}

}  // namespace tercet
