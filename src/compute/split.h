#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace tercet {

/// Part index of each of `rows` rows for shares that sum to 1: part k gets round(cumulative share)
/// rows, chosen by a permutation that depends only on (rows, seed). Same bits on every machine.
Result<std::vector<int32_t>> RandomSplit(int64_t rows, const std::vector<double>& shares,
                                         uint64_t seed);

/// By event time: rows of equal time stay together, earlier parts first; the boundary is the first
/// time at which the cumulative share is reached. `boundaries_us` receives the first time of each
/// part after the first.
Result<std::vector<int32_t>> TimeSplit(const std::vector<int64_t>& event_times_us,
                                       const std::vector<double>& shares,
                                       std::vector<int64_t>* boundaries_us);

}  // namespace tercet
