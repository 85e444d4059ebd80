#include "compute/summation.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tercet {
namespace {

/// The pairwise sum of at(begin) … at(begin + count − 1).
template <typename At>
double Sum(size_t begin, size_t count, const At& at) {
  constexpr size_t kBlock = 128;
  if (count <= kBlock) {
    double lanes[8] = {};
    size_t i = begin;
    const size_t end = begin + count;
    for (; i + 8 <= end; i += 8) {
      for (size_t k = 0; k < 8; ++k) lanes[k] += at(i + k);
    }
    double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                 ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    for (; i < end; ++i) sum += at(i);
    return sum;
  }
  const size_t blocks = (count + kBlock - 1) / kBlock;
  const size_t half = (blocks + 1) / 2 * kBlock;
  return Sum(begin, half, at) + Sum(begin + half, count - half, at);
}

/// Puts the numbers of the given places (ascending) where sorting would put them.
void SelectPlaces(double* numbers, size_t begin, size_t end, std::span<const size_t> places) {
  if (places.empty() || end - begin < 2) return;
  const size_t middle = places.size() / 2;
  const size_t place = places[middle];
  std::nth_element(numbers + begin, numbers + place, numbers + end);
  size_t first = middle, last = middle + 1;  // equal places are done as well
  while (first > 0 && places[first - 1] == place) --first;
  while (last < places.size() && places[last] == place) ++last;
  SelectPlaces(numbers, begin, place, places.first(first));
  SelectPlaces(numbers, place + 1, end, places.subspan(last));
}

/// Between a number and the next larger one, from the nearer of the two, as numpy interpolates.
double Interpolate(double low, double high, double share) {
  const double width = high - low;
  if (std::isinf(width)) return low * (1 - share) + high * share;
  return share >= 0.5 ? high - width * (1 - share) : low + width * share;
}

}  // namespace

double PairwiseSum(std::span<const double> numbers) {
  return Sum(0, numbers.size(), [&](size_t i) { return numbers[i]; });
}

Moments MomentsOf(std::span<const double> numbers) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (numbers.empty()) return {kNone, kNone};
  const auto count = static_cast<double>(numbers.size());
  const double mean = PairwiseSum(numbers) / count;
  const double error = Sum(0, numbers.size(), [&](size_t i) { return numbers[i] - mean; });
  const double squares = Sum(0, numbers.size(), [&](size_t i) {
    const double rest = numbers[i] - mean;
    return rest * rest;
  });
  return {mean, (squares - error * error / count) / count};
}

bool LooksConstant(const Moments& moments, size_t count) {
  const double rounded = static_cast<double>(count) * std::numeric_limits<double>::epsilon();
  const double of_mean = rounded * moments.mean;
  return moments.variance <= rounded * moments.variance + of_mean * of_mean;
}

std::vector<double> QuantilesOf(std::span<double> numbers, std::span<const double> fractions) {
  if (numbers.empty()) {
    return std::vector<double>(fractions.size(), std::numeric_limits<double>::quiet_NaN());
  }
  std::vector<size_t> places;
  std::vector<double> shares;
  for (double fraction : fractions) {
    const double place = fraction * static_cast<double>(numbers.size() - 1);
    places.push_back(static_cast<size_t>(place));
    shares.push_back(place - std::floor(place));
  }
  SelectPlaces(numbers.data(), 0, numbers.size(), places);

  std::vector<double> quantiles;
  for (size_t k = 0; k < places.size(); ++k) {
    const double low = numbers[places[k]];
    if (shares[k] == 0 || places[k] + 1 == numbers.size()) {
      quantiles.push_back(low);
      continue;
    }
    // The next larger number lies no later than the next place that was selected.
    size_t end = numbers.size();
    for (size_t later : places) {
      if (later > places[k]) end = std::min(end, later + 1);
    }
    const double high = *std::min_element(numbers.data() + places[k] + 1, numbers.data() + end);
    quantiles.push_back(Interpolate(low, high, shares[k]));
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
