#include "runtime/lane_trees.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace tercet {
namespace {

using Tree = NumberTree<float>;

/// Every sixth node is a leaf before its time.
Tree RandomTree(int depth, size_t features, size_t group, std::mt19937_64* random) {
  const auto number = [&] { return std::normal_distribution<float>()(*random); };
  Tree tree{.nodes = {{}}, .group = group};
  std::vector<int> depths = {0};
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    tree.nodes[i].value = number();
    if (depths[i] == depth || (i > 0 && (*random)() % 6 == 0)) continue;
    tree.nodes[i].left = static_cast<uint32_t>(tree.nodes.size());
    tree.nodes[i].split = {
        .feature = (*random)() % features,
        .threshold = number(),
        .missing = (*random)() % 2 == 0 ? Missing::kLeft : Missing::kRight};
    for (int side = 0; side < 2; ++side) {
      tree.nodes.emplace_back();
      depths.push_back(depths[i] + 1);
    }
  }
  return tree;
}

float LeafOf(const Tree& tree, const float* row) {
  size_t at = 0;
  while (tree.nodes[at].left != 0) {
    const auto& split = tree.nodes[at].split;
    const float value = row[split.feature];
    const bool right =
        std::isnan(value) ? split.missing == Missing::kRight : !(value < split.threshold);
    at = tree.nodes[at].left + static_cast<size_t>(right);
  }
  return tree.nodes[at].value;
}

TEST(LaneTrees, SumsAreThoseOfAWalkBitForBit) {
  std::mt19937_64 random(31);
  int made = 0, all_there = 0;
  for (int depth = 0; depth <= 8; ++depth) {
    for (const size_t features : {2, 50, 200, 700}) {
      for (const size_t count : {1, 63, 64, 65, 130}) {
        std::vector<Tree> trees;
        for (size_t t = 0; t < count; ++t) {
          trees.push_back(RandomTree(depth, features, count < 65 ? 0 : t % 3, &random));
        }
        const auto lanes = LaneTrees::Make(trees);
        if (!lanes) continue;  // the draw was too lean
        ++made;
        all_there += lanes->takes_missing() ? 0 : 1;
        for (int i = 0; i < 20; ++i) {
          std::vector<float> row(features);
          for (float& value : row) value = std::normal_distribution<float>()(random);
          // On a threshold, a row goes right.
          const auto& some = trees[random() % count].nodes[0];
          if (some.left != 0) row[some.split.feature] = some.split.threshold;
          if (lanes->takes_missing()) {
            for (float& value : row) {
              if (random() % 5 == 0) value = std::numeric_limits<float>::quiet_NaN();
            }
          }
          float expected[3] = {0.5F, -1, 0}, sums[3] = {0.5F, -1, 0};
          for (const Tree& tree : trees) expected[tree.group] += LeafOf(tree, row.data());
          lanes->AddLeaves(row.data(), sums);
          for (int g = 0; g < 3; ++g) {
            EXPECT_EQ(sums[g], expected[g]) << depth << " " << features << " " << count;
          }
        }
      }
    }
  }
  EXPECT_GE(made, BlockTrees<float>::Supported() ? 60 : 0);
  EXPECT_GE(all_there, BlockTrees<float>::Supported() ? 5 : 0);
}

TEST(LaneTrees, AreNotMadeOfMoreFeaturesThanRegistersHold) {
  std::vector<Tree> trees;
  for (size_t f = 0; f < 1025; ++f) {
    trees.push_back({.nodes = {{.left = 1, .split = {.feature = f}}, {.value = 1}, {.value = 2}}});
  }
  EXPECT_FALSE(LaneTrees::Make(trees));
  trees.pop_back();
  EXPECT_EQ(LaneTrees::Make(trees).has_value(), BlockTrees<float>::Supported());
}

TEST(LaneTrees, AreNotMadeOfFewTreesOfManyFeatures) {
  std::mt19937_64 random(7);
  EXPECT_FALSE(LaneTrees::Make({RandomTree(6, 10'000, 0, &random)}));
}

TEST(LaneTrees, AreNotMadeOfDeepOrLeanOnes) {
  const auto chain = [](uint32_t depth) {
    Tree tree;  // a split, its left leaf, its right child, which is a split, …
    for (uint32_t d = 0; d < depth; ++d) {
      tree.nodes.push_back({.left = 2 * d + 1, .split = {.feature = d}});
      tree.nodes.push_back({.value = 1});
    }
    tree.nodes.push_back({.value = 2});
    return tree;
  };
  EXPECT_EQ(LaneTrees::Make({chain(2)}).has_value(), BlockTrees<float>::Supported());
  EXPECT_FALSE(LaneTrees::Make({chain(6)}));
  EXPECT_FALSE(LaneTrees::Make({chain(12)}));
}

}  // namespace
}  // namespace tercet
