#include "compute/quantile_sketch.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "compute/summation.h"

namespace tercet {
namespace {

std::vector<double> Numbers(size_t count, uint64_t seed, int form) {
  std::mt19937_64 random(seed);
  std::vector<double> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    const double uniform = static_cast<double>(random() >> 11) / 9007199254740992.0;
    numbers[i] = form == 0   ? uniform
                 : form == 1 ? -std::log(1 - uniform) * 1e6
                 : form == 2 ? static_cast<double>(i)            // ascending
                 : form == 3 ? static_cast<double>(count - i)    // descending
                             : std::floor(uniform * 50);         // many equals
  }
  return numbers;
}

/// How far, as a share of the count, each quantile's rank is from the one asked for.
double WorstError(const QuantileSketch& sketch, std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::vector<double> fractions;
  for (int k = 1; k < 100; ++k) fractions.push_back(k / 100.0);
  const auto quantiles = sketch.Quantiles(fractions);
  double worst = 0;
  for (size_t k = 0; k < fractions.size(); ++k) {
    const auto [low, high] = std::equal_range(numbers.begin(), numbers.end(), quantiles[k]);
    const double place = fractions[k] * static_cast<double>(numbers.size() - 1);
    const auto first = static_cast<double>(low - numbers.begin());
    const auto last = static_cast<double>(high - numbers.begin());
    const double off = place < first ? first - place : place > last ? place - last : 0;
    worst = std::max(worst, off / static_cast<double>(numbers.size()));
  }
  return worst;
}

TEST(QuantileSketchTest, FewNumbersAreKeptAsTheyAre) {
  std::vector<double> numbers = Numbers(QuantileSketch::kExact, 1, 1);
  QuantileSketch sketch;
  sketch.Add(numbers);
  ASSERT_TRUE(sketch.exact());
  const double fractions[] = {0, 0.01, 0.5, 0.99, 1};
  EXPECT_EQ(sketch.Quantiles(fractions), QuantilesOf(numbers, fractions));
  EXPECT_TRUE(std::isnan(QuantileSketch().Quantiles(fractions)[0]));
}

TEST(QuantileSketchTest, RanksAreNearForAnyOrderOfNumbers) {
  for (int form = 0; form < 5; ++form) {
    for (size_t count : {16'385, 100'000, 1'000'000}) {
      const auto numbers = Numbers(count, 2, form);
      QuantileSketch sketch;
      sketch.Add(numbers);
      EXPECT_EQ(sketch.count(), static_cast<int64_t>(count));
      int64_t weights = 0;
      for (const auto& [number, weight] : sketch.Items()) weights += weight;
      EXPECT_EQ(weights, sketch.count());
      EXPECT_LT(sketch.Items().size(), 5 * QuantileSketch::kExact);
      EXPECT_LT(WorstError(sketch, numbers), 0.001) << "form " << form << " of " << count;
      const double ends[] = {0, 1};
      EXPECT_EQ(sketch.Quantiles(ends)[0], *std::min_element(numbers.begin(), numbers.end()));
      EXPECT_EQ(sketch.Quantiles(ends)[1], *std::max_element(numbers.begin(), numbers.end()));
    }
  }
}

TEST(QuantileSketchTest, MergedSketchesAreAsNear) {
  std::vector<double> all;
  QuantileSketch whole;
  for (uint64_t part = 0; part < 20; ++part) {
    // Parts of other places and sizes, a small one now and then.
    auto numbers = Numbers(part % 3 == 0 ? 100 : 60'000, part, static_cast<int>(part % 2));
    for (double& number : numbers) number += static_cast<double>(part % 5);
    QuantileSketch sketch;
    sketch.Add(numbers);
    whole.Merge(sketch);
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  EXPECT_EQ(whole.count(), static_cast<int64_t>(all.size()));
  EXPECT_LT(WorstError(whole, all), 0.001);
}

TEST(QuantileSketchTest, PiecesOfAnySizeGiveTheSameBits) {
  const auto numbers = Numbers(200'000, 3, 0);
  QuantileSketch whole, pieces;
  whole.Add(numbers);
  for (size_t i = 0, size = 1; i < numbers.size(); i += size, size = size * 2 + 1) {
    pieces.Add(std::span(numbers).subspan(i, std::min(size, numbers.size() - i)));
  }
  EXPECT_EQ(whole.Items(), pieces.Items());
}

}  // namespace
}  // namespace tercet
