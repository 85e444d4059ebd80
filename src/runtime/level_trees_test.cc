#include "runtime/level_trees.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace tercet {
namespace {

struct NaiveTree {
  int depth;
  uint32_t group;
  std::vector<LevelTrees::Split> splits;
  std::vector<float> leaves;

  float LeafOf(const float* row) const {
    size_t node = 0;
    for (int d = 0; d < depth; ++d) {
      const LevelTrees::Split& split = splits[node];
      const float value = row[split.feature];
      const bool right = std::isnan(value) ? !split.missing_left : !(value < split.threshold);
      node = 2 * node + 1 + (right ? 1 : 0);
    }
    return leaves[node - splits.size()];
  }
};

// Values and thresholds are few, so that they are often equal.
TEST(LevelTrees, AddTheLeavesThatANaiveWalkDoes) {
  if (!LevelTrees::Supported()) GTEST_SKIP() << "this processor has no AVX-512";
  std::mt19937_64 random(11);
  const float some[] = {-std::numeric_limits<float>::infinity(), -1.5f, -0.0f, 0.0f, 0.25f, 1.0f,
                        std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::quiet_NaN()};
  const auto below = [&random](uint64_t bound) { return random() % bound; };
  for (int round = 0; round < 60; ++round) {
    const auto features = static_cast<int64_t>(1 + below(40));
    const auto groups = static_cast<int64_t>(1 + below(3));
    const bool missing = round % 2 == 0;
    LevelTrees trees;
    std::vector<NaiveTree> naive;
    for (int t = 0; t < 30; ++t) {
      NaiveTree tree{static_cast<int>(below(LevelTrees::kMostDepth + 1)),
                     static_cast<uint32_t>(below(groups)), {}, {}};
      for (int i = 0; i < (1 << tree.depth) - 1; ++i) {
        tree.splits.push_back({some[below(7)], static_cast<uint32_t>(below(features)),
                               below(2) == 0});
      }
      for (int i = 0; i < 1 << tree.depth; ++i) {
        tree.leaves.push_back(std::ldexp(static_cast<float>(below(1 << 20)), -15));
      }
      trees.Add(tree.depth, tree.splits, tree.leaves, tree.group);
      naive.push_back(std::move(tree));
    }
    const auto rows = static_cast<int64_t>(1 + below(200));
    std::vector<float> values(static_cast<size_t>(rows * features));
    for (float& value : values) value = some[below(missing ? 8 : 7)];
    std::vector<float> sums(static_cast<size_t>(rows * groups), 0.1f), expected = sums;
    for (int64_t r = 0; r < rows; ++r) {
      for (const NaiveTree& tree : naive) {
        expected[static_cast<size_t>(r * groups) + tree.group] +=
            tree.LeafOf(values.data() + r * features);
      }
    }
    trees.AddLeaves(values.data(), rows, features, groups, missing, sums.data());
    ASSERT_EQ(sums, expected) << "round " << round;
  }
}

}  // namespace
}  // namespace tercet
