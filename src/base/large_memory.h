#pragma once

#include <arrow/memory_pool.h>

namespace tercet {

/// A pool for columns: memory that is written once, from front to back, soon after it was asked
/// for. Allocations of a few MiB and more come fresh from the kernel and full of zeros, and go back
/// to it when they are freed; smaller ones come from the C library. Thread-safe; never destroyed.
///
/// Large ones ask for huge pages while those are cheap. Giving out a huge page costs the kernel a
/// tenth of the small pages in its place, but where a virtual machine's host has to find the memory
/// first it was seen to cost eight times as much. So each page is touched here, the time is taken,
/// and after a few dear ones only small pages are asked for, for some seconds.
arrow::MemoryPool* LargeMemory();

/// Gets the pages of a piece of writable memory at once, which costs a sixth less than one by one
/// as they are written, where that happens soon: a few hundred KiB ahead of the writer stay in the
/// cache. What they hold stays as it is. Where the kernel can't, nothing happens.
void PopulatePages(void* begin, int64_t size_bytes);

/// How much to populate at once, ahead of a writer that goes from front to back.
inline constexpr int64_t kPopulateBytes = 256 << 10;

/// From this size on an allocation of LargeMemory() is full of zeros.
inline constexpr int64_t kLargeBytes = 2 << 20;

}  // namespace tercet
