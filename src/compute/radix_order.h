#pragma once

#include <cstdint>
#include <vector>

namespace tercet {

/// Sorts the rows by (code, time), stably: reorders all three vectors of equal length alike. Times
/// may be null. Least-significant-digit radix sort: O(n) for each digit of eleven bits in which the
/// rows differ, so few distinct codes and a narrow range of times cost few passes.
void RadixOrder(std::vector<uint64_t>* codes, std::vector<int64_t>* times_us,
                std::vector<uint32_t>* rows);

}  // namespace tercet
