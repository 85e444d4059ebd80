#include "online/row_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace tercet {
namespace {

constexpr size_t kHugePageBytes = 2 << 20;
constexpr size_t kLineBytes = 64;

size_t RoundedUp(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

}  // namespace

RowPages::~RowPages() {
  for (const Region& region : regions_) ::munmap(region.mapping, region.bytes);
}

void* RowPages::Take() {
  const std::lock_guard lock(mutex_);
  if (freed_ == nullptr) return Cut(kPageBytes);
  Freed* const page = freed_;
  freed_ = page->next;
  return page;
}

void RowPages::Give(void* page) {
  const std::lock_guard lock(mutex_);
  freed_ = new (page) Freed{freed_};
}

void* RowPages::TakeZeros(size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes >= kPageBytes) return Cut(RoundedUp(bytes, kPageBytes));
  const size_t size = RoundedUp(bytes, kLineBytes);
  if (size > zeros_left_) {
    zeros_ = Cut(kPageBytes);
    zeros_left_ = kPageBytes;
  }
  char* const zeros = zeros_;
  zeros_ += size;
  zeros_left_ -= size;
  return zeros;
}

char* RowPages::Cut(size_t bytes) {
  if (bytes > left_) {
    // What is left of the old region is small change, and was not touched.
    const size_t wanted = RoundedUp(std::max(bytes, kRegionBytes), kHugePageBytes);
    const size_t mapped = wanted + kHugePageBytes;
    void* const mapping = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    regions_.push_back({mapping, mapped});
    next_ = reinterpret_cast<char*>(
        RoundedUp(reinterpret_cast<uintptr_t>(mapping), kHugePageBytes));
    left_ = wanted;
    // Where there are none, small pages serve.
    ::madvise(next_, wanted, MADV_HUGEPAGE);
  }
  char* const cut = next_;
  next_ += bytes;
  left_ -= bytes;
  return cut;
}

void RowSlots::Link(Page** first, Page* page) {
  page->previous = nullptr;
  page->next = *first;
  if (*first != nullptr) (*first)->previous = page;
  *first = page;
}

void RowSlots::Unlink(Page** first, Page* page) {
  (page->previous != nullptr ? page->previous->next : *first) = page->next;
  if (page->next != nullptr) page->next->previous = page->previous;
}

void* RowSlots::Take(RowPages* pages, size_t bytes) {
  const size_t size = SizeOf(bytes);
  if (size > kMostBytes) return ::operator new(size);
  Page** const first = &open_[size / kLine - 1];
  if (*first == nullptr) Link(first, new (pages->Take()) Page{});
  Page* const page = *first;
  void* slot = page->freed;
  if (slot != nullptr) {
    page->freed = page->freed->next;
  } else {
    slot = reinterpret_cast<char*>(page) + kLine + size * page->cut++;
  }
  if (++page->live == SlotsOf(size)) Unlink(first, page);
  return slot;
}

void RowSlots::Give(RowPages* pages, void* slot, size_t bytes) {
  const size_t size = SizeOf(bytes);
  if (size > kMostBytes) return ::operator delete(slot);
  auto* const page = reinterpret_cast<Page*>(reinterpret_cast<uintptr_t>(slot) &
                                             ~uintptr_t{RowPages::kPageBytes - 1});
  Page** const first = &open_[size / kLine - 1];
  if (page->live-- == SlotsOf(size)) Link(first, page);
  page->freed = new (slot) Slot{page->freed};
  if (page->live != 0) return;
  Unlink(first, page);
  pages->Give(page);
}

}  // namespace tercet
