#include "compute/split.h"

#include <algorithm>
#include <limits>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace tercet {
namespace {

int64_t Count(const std::vector<int32_t>& parts, int32_t part) {
  return std::count(parts.begin(), parts.end(), part);
}

TEST(SplitTest, RandomPartsHaveTheirShares) {
  const auto parts = *RandomSplit(1001, {0.7, 0.2, 0.1}, 7);
  EXPECT_EQ(parts.size(), 1001u);
  EXPECT_EQ(Count(parts, 0), 701);
  EXPECT_EQ(Count(parts, 1), 200);
  EXPECT_EQ(Count(parts, 2), 100);
  EXPECT_EQ(*RandomSplit(0, {0.5, 0.5}, 7), std::vector<int32_t>{});
  EXPECT_EQ(*RandomSplit(3, {1.0}, 7), (std::vector<int32_t>{0, 0, 0}));
}

TEST(SplitTest, RandomPartsDependOnRowsAndSeedOnly) {
  EXPECT_EQ(*RandomSplit(500, {0.8, 0.2}, 1), *RandomSplit(500, {0.8, 0.2}, 1));
  EXPECT_NE(*RandomSplit(500, {0.8, 0.2}, 1), *RandomSplit(500, {0.8, 0.2}, 2));
  // The very rows, so that a change of the algorithm, which would change every dataset, is seen.
  EXPECT_EQ(*RandomSplit(12, {0.5, 0.5}, 42),
            (std::vector<int32_t>{1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1}));
}

TEST(SplitTest, EveryRowIsAsLikelyInAPart) {
  std::vector<int> hits(10, 0);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const auto parts = *RandomSplit(10, {0.3, 0.7}, seed);
    for (size_t i = 0; i < 10; ++i) hits[i] += parts[i] == 0 ? 1 : 0;
  }
  for (int hit : hits) EXPECT_NEAR(hit, 1200, 150);
}

TEST(SplitTest, SharesMustBeSharesOfOne) {
  EXPECT_TRUE(RandomSplit(10, {}, 1).status().IsInvalid());
  EXPECT_TRUE(RandomSplit(10, {0.5, 0.6}, 1).status().IsInvalid());
  EXPECT_TRUE(RandomSplit(10, {1.5, -0.5}, 1).status().IsInvalid());
  EXPECT_TRUE(RandomSplit(10, {std::numeric_limits<double>::quiet_NaN()}, 1).status().IsInvalid());
  EXPECT_TRUE(RandomSplit(-1, {1}, 1).status().IsInvalid());
}

TEST(SplitTest, TimeSplitsBetweenTimesAndKeepsEqualsTogether) {
  std::vector<int64_t> boundaries;
  EXPECT_EQ(*TimeSplit({5, 1, 4, 2, 3}, {0.6, 0.4}, &boundaries),
            (std::vector<int32_t>{1, 0, 1, 0, 0}));
  EXPECT_EQ(boundaries, (std::vector<int64_t>{4}));
  EXPECT_EQ(*TimeSplit({1, 2, 2, 2, 3}, {0.6, 0.4}, &boundaries),
            (std::vector<int32_t>{0, 1, 1, 1, 1}));
  EXPECT_EQ(boundaries, (std::vector<int64_t>{2}));
  EXPECT_EQ(*TimeSplit({1, 2, 3, 4}, {0.5, 0.25, 0.25}, &boundaries),
            (std::vector<int32_t>{0, 0, 1, 2}));
  EXPECT_EQ(boundaries, (std::vector<int64_t>{3, 4}));
}

TEST(SplitTest, TimeSplitOfFewRows) {
  std::vector<int64_t> boundaries;
  EXPECT_EQ(*TimeSplit({}, {0.5, 0.5}, &boundaries), std::vector<int32_t>{});
  EXPECT_EQ(boundaries.size(), 1u);
  EXPECT_EQ(*TimeSplit({9}, {0.9, 0.1}, &boundaries), std::vector<int32_t>{0});
  EXPECT_EQ(boundaries, (std::vector<int64_t>{10}));
}

TEST(SplitTest, TimePartsAreInOrder) {
  std::mt19937_64 random(4);
  std::vector<int64_t> times(999), boundaries;
  for (int64_t& time : times) time = static_cast<int64_t>(random() % 300) - 150;
  const auto parts = *TimeSplit(times, {0.6, 0.2, 0.2}, &boundaries);
  for (size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(parts[i], (times[i] >= boundaries[0]) + (times[i] >= boundaries[1]));
  }
  EXPECT_NEAR(static_cast<double>(Count(parts, 0)), 600, 10);
}

TEST(SplitTest, EachClassIsSplitByItself) {
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < 1000; ++i) classes.push_back(i % 10 == 0 ? 7 : i % 3);
  const auto parts = *StratifiedSplit(classes, {0.8, 0.2}, 5);
  for (int64_t one : {0, 1, 2, 7}) {
    int64_t rows = 0, first = 0;
    for (size_t i = 0; i < classes.size(); ++i) {
      rows += classes[i] == one ? 1 : 0;
      first += classes[i] == one && parts[i] == 0 ? 1 : 0;
    }
    EXPECT_EQ(first, std::llround(0.8 * static_cast<double>(rows))) << one;
  }
  EXPECT_NE(parts, *StratifiedSplit(classes, {0.8, 0.2}, 6));
  EXPECT_TRUE(StratifiedSplit({}, {0.5, 0.5}, 1)->empty());
}

TEST(SplitTest, AGroupIsInOnePart) {
  std::mt19937_64 random(2);
  std::vector<int64_t> groups;
  for (int64_t group = 0; group < 200; ++group) {
    groups.insert(groups.end(), random() % 20 + 1, group * 31 - 5);
  }
  std::shuffle(groups.begin(), groups.end(), random);
  const auto parts = *GroupSplit(groups, {0.7, 0.2, 0.1}, 3);
  std::map<int64_t, int32_t> part_of;
  std::vector<double> rows(3, 0);
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(part_of.emplace(groups[i], parts[i]).first->second, parts[i]);
    ++rows[static_cast<size_t>(parts[i])];
  }
  const auto all = static_cast<double>(groups.size());
  EXPECT_NEAR(rows[0] / all, 0.7, 0.02);
  EXPECT_NEAR(rows[1] / all, 0.2, 0.02);
  // The order of the rows does not matter to which part a group is in.
  std::reverse(groups.begin(), groups.end());
  auto reversed = *GroupSplit(groups, {0.7, 0.2, 0.1}, 3);
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(reversed, parts);
}

TEST(SplitTest, FoldsAreScikitLearns) {
  EXPECT_EQ(*ContiguousFolds(7, 3), (std::vector<int32_t>{0, 0, 0, 1, 1, 2, 2}));
  // StratifiedKFold(3).split of y = [0, 1, 1, 0, 0, 0, 1, 0, 1, 0]: the folds of its test rows.
  EXPECT_EQ(*StratifiedFolds({0, 1, 1, 0, 0, 0, 1, 0, 1, 0}, 3),
            (std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1, 2, 2, 2}));
  EXPECT_TRUE(ContiguousFolds(7, 1).status().IsInvalid());
}

}  // namespace
}  // namespace tercet
