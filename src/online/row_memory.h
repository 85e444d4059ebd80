#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tercet {

/// Pages for what is looked up at random for as long as a process lives. They are cut from regions
/// that ask for huge pages: with small ones a look waits for the row's address first, which on a
/// virtual machine takes as long as the row does. What a huge page costs is paid once. Freed pages
/// are used again and go back to the kernel at the end. Thread-safe.
class RowPages {
 public:
  static constexpr size_t kPageBytes = 16 << 10;

  RowPages() = default;
  ~RowPages();
  RowPages(const RowPages&) = delete;
  RowPages& operator=(const RowPages&) = delete;

  /// A page, aligned to its size. Throws std::bad_alloc, as the others do.
  void* Take();
  void Give(void* page);
  /// So many bytes of zeros, from a page on if they fill one, which stay until the end.
  void* TakeZeros(size_t bytes);

 private:
  static constexpr size_t kRegionBytes = 32 << 20;  // mapped, not touched
  struct Region {
    void* mapping;
    size_t bytes;
  };
  struct Freed {
    Freed* next;
  };

  /// What follows needs the lock.
  char* Cut(size_t bytes);

  std::mutex mutex_;
  std::vector<Region> regions_;
  char* next_ = nullptr;  // fresh memory of the last region
  size_t left_ = 0;
  Freed* freed_ = nullptr;
  char* zeros_ = nullptr;  // what is left of a page of zeros
  size_t zeros_left_ = 0;
};

/// Pieces of pages, each on cache lines of its own: of one length in a page. A page without any
/// piece goes back. Pieces longer than kMostBytes come from the C library. Not thread-safe.
class RowSlots {
 public:
  static constexpr size_t kMostBytes = 2 << 10;

  /// What a piece of so many bytes takes.
  static size_t SizeOf(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

  void* Take(RowPages* pages, size_t bytes);
  /// `bytes`: as it was taken.
  void Give(RowPages* pages, void* slot, size_t bytes);

 private:
  static constexpr size_t kLine = 64;
  struct Slot {
    Slot* next;
  };
  /// The head of a page, on a line before its pieces.
  struct Page {
    Page* next;  ///< of the pages that have room
    Page* previous;
    Slot* freed;
    uint32_t cut;   ///< pieces that were taken at least once
    uint32_t live;  ///< pieces that are taken
  };
  static_assert(sizeof(Page) <= kLine);

  static uint32_t SlotsOf(size_t slot_bytes) {
    return static_cast<uint32_t>((RowPages::kPageBytes - kLine) / slot_bytes);
  }
  void Link(Page** first, Page* page);
  void Unlink(Page** first, Page* page);

  std::array<Page*, kMostBytes / kLine> open_{};  // pages that have room, by pieces' length
};

}  // namespace tercet
