#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace tercet {

/// Rows in the order of (code, time): what stands at each place.
struct OrderedRows {
  std::unique_ptr<uint64_t[]> codes;
  std::unique_ptr<uint64_t[]> times;  ///< as bits; null when there are no times
  std::unique_ptr<uint32_t[]> rows;   ///< where in the input the row stands

  const int64_t* times_us() const { return reinterpret_cast<const int64_t*>(times.get()); }
};

/// Sorts n rows by (code ^ flip, time), stably, and gives the flipped codes; `times_us` may be
/// null. A radix sort of just so many of the highest bits as tell that many rows apart: the first
/// of these part the rows into buckets that fit in a cache, where the others sort them. What they
/// leave equal is compared. O(n) but for rows that crowd in a small part of their range. Beside its
/// answer it holds the largest bucket and, where there are no times, 8 bytes a row.
OrderedRows RadixOrder(const uint64_t* codes, uint64_t flip, const int64_t* times_us, size_t n);

}  // namespace tercet
