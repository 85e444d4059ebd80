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

/// A random split of the rows of each class by itself, so that all parts have the classes in the
/// same proportions, up to rounding. `classes` are any numbers, one a row.
Result<std::vector<int32_t>> StratifiedSplit(const std::vector<int64_t>& classes,
                                             const std::vector<double>& shares, uint64_t seed);

/// All rows of a group in one part. Groups come in an order that depends on their numbers and the
/// seed only, and each goes to the part that is furthest from its share of rows.
Result<std::vector<int32_t>> GroupSplit(const std::vector<int64_t>& groups,
                                        const std::vector<double>& shares, uint64_t seed);

/// Fold index of each row, as scikit-learn's KFold without shuffling: runs of rows whose lengths
/// differ by at most one, the longer ones first. Invalid for less than two folds.
Result<std::vector<int32_t>> ContiguousFolds(int64_t rows, int64_t folds);

/// As scikit-learn's StratifiedKFold without shuffling: each class is spread evenly over the folds,
/// in order of its rows.
Result<std::vector<int32_t>> StratifiedFolds(const std::vector<int64_t>& classes, int64_t folds);

}  // namespace tercet
