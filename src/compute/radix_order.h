#pragma once

#include <cstdint>
#include <vector>

namespace tercet {

/// Sorts the rows by (code, time), stably: reorders all three vectors of equal length alike. Times
/// may be null. A least-significant-digit radix sort of just so many of the highest bits as tell
/// that many rows apart, eleven bits a pass; rows that it leaves equal are compared. O(n) but for
/// rows that crowd in a small part of their range.
void RadixOrder(std::vector<uint64_t>* codes, std::vector<int64_t>* times_us,
                std::vector<uint32_t>* rows);

}  // namespace tercet
