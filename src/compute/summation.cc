#include "compute/summation.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tercet {

double PairwiseSum(std::span<const double> numbers) {
  constexpr size_t kBlock = 128;
  const size_t count = numbers.size();
  if (count <= kBlock) {
    double lanes[8] = {};
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
      for (size_t k = 0; k < 8; ++k) lanes[k] += numbers[i + k];
    }
    double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                 ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    for (; i < count; ++i) sum += numbers[i];
    return sum;
  }
  const size_t blocks = (count + kBlock - 1) / kBlock;
  const size_t half = (blocks + 1) / 2 * kBlock;
  return PairwiseSum(numbers.first(half)) + PairwiseSum(numbers.subspan(half));
}

Moments MomentsOf(std::span<const double> numbers) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (numbers.empty()) return {kNone, kNone};
  const auto count = static_cast<double>(numbers.size());
  const double mean = PairwiseSum(numbers) / count;
  std::vector<double> rest(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) rest[i] = numbers[i] - mean;
  const double error = PairwiseSum(rest);
  for (double& value : rest) value *= value;
  return {mean, (PairwiseSum(rest) - error * error / count) / count};
}

std::vector<double> QuantilesOf(std::span<double> numbers, std::span<const double> fractions) {
  std::vector<double> quantiles;
  quantiles.reserve(fractions.size());
  auto begin = numbers.begin();  // what lies before is sorted off already
  for (double fraction : fractions) {
    if (numbers.empty()) {
      quantiles.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const double place = fraction * static_cast<double>(numbers.size() - 1);
    const double below = std::floor(place);
    const auto at = numbers.begin() + static_cast<int64_t>(below);
    if (at > begin || begin == numbers.begin()) std::nth_element(begin, at, numbers.end());
    begin = at;
    const double low = *at, share = place - below;
    if (at + 1 == numbers.end() || share == 0) {
      quantiles.push_back(low);
      continue;
    }
    const double high = *std::min_element(at + 1, numbers.end());
    const double width = high - low;
    if (std::isinf(width)) {
      quantiles.push_back(low * (1 - share) + high * share);
      continue;
    }
    // From the nearer end, as numpy interpolates.
    quantiles.push_back(share >= 0.5 ? high - width * (1 - share) : low + width * share);
  }
  return quantiles;
}

double MedianOf(std::span<double> numbers) {
  if (numbers.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = numbers.begin() + static_cast<int64_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  if (numbers.size() % 2 == 1) return *middle;
  return (*std::max_element(numbers.begin(), middle) + *middle) / 2;
}

}  // namespace tercet
