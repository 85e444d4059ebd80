#pragma once

#include <span>
#include <vector>

namespace tercet {

/// Sum in a fixed order: pairwise over blocks of 128, each of eight lanes (Higham 1993). The same
/// numbers in the same order give the same bits, on any machine and for any chunking of the input,
/// and the error grows with the logarithm of their count.
double PairwiseSum(std::span<const double> numbers);

/// Mean and population variance (÷ n), in two passes with the first pass's rounding error taken
/// out, as scikit-learn computes them. NaN for no numbers.
struct Moments {
  double mean;
  double variance;
};
Moments MomentsOf(std::span<const double> numbers);

/// Whether `count` numbers of these moments can't be told from a constant, given the rounding of
/// the sums (sklearn.preprocessing._data._is_constant_feature).
bool LooksConstant(const Moments& moments, size_t count);

/// The quantiles of the numbers, which it reorders: linear between the two nearest, as
/// numpy.quantile by default. `fractions` in ascending order, within 0…1. NaN for no numbers;
/// numbers must not hold NaN.
std::vector<double> QuantilesOf(std::span<double> numbers, std::span<const double> fractions);

/// As numpy.median: the middle number, or the mean of the middle two.
double MedianOf(std::span<double> numbers);

}  // namespace tercet
