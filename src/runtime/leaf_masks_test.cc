#include "runtime/leaf_masks.h"

#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace tercet {
namespace {

/// A random tree with a walk over it, which is the definition.
struct Grown {
  struct Node {
    int left = -1, right = -1;  ///< −1: a leaf
    size_t feature = 0;
    double threshold = 0;
    double value = 0;
  };
  std::vector<Node> nodes = {Node{}};
  LeafMasks::Tree tree;

  double Walk(const std::vector<double>& row) const {
    int at = 0;
    while (nodes[at].left >= 0) {
      at = row[nodes[at].feature] <= nodes[at].threshold ? nodes[at].left : nodes[at].right;
    }
    return nodes[at].value;
  }

  /// Numbers the leaves below a node; returns their bits.
  uint32_t Number(int at) {
    const Node& node = nodes[at];
    if (node.left < 0) {
      tree.leaves.push_back(node.value);
      return 1u << (tree.leaves.size() - 1);
    }
    const uint32_t left = Number(node.left);
    tree.splits.push_back({node.feature, node.threshold, ~left});
    return left | Number(node.right);
  }
};

Grown Grow(size_t leaves, size_t features, std::mt19937_64& random) {
  Grown grown;
  std::vector<int> open = {0};
  while (open.size() < leaves) {
    const size_t pick = random() % open.size();
    const int at = open[pick];
    const int left = static_cast<int>(grown.nodes.size());
    grown.nodes.resize(grown.nodes.size() + 2);
    grown.nodes[at].left = left;
    grown.nodes[at].right = left + 1;
    grown.nodes[at].feature = random() % features;
    // Few thresholds, so that trees share them and rows meet them exactly.
    grown.nodes[at].threshold = static_cast<double>(random() % 40) - 20;
    open[pick] = left;
    open.push_back(left + 1);
  }
  for (auto& node : grown.nodes) node.value = static_cast<double>(random()) * 1e-19 - 0.9;
  grown.Number(0);
  return grown;
}

TEST(LeafMasksTest, EqualsTheWalk) {
  std::mt19937_64 random(3);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const size_t groups : {1, 3}) {
    for (const size_t count : {1, 15, 16, 17, 300}) {
      const size_t features = 1 + random() % 12;
      std::vector<Grown> grown;
      std::vector<LeafMasks::Tree> trees;
      for (size_t t = 0; t < count; ++t) {
        grown.push_back(Grow(1 + random() % 32, features, random));
        trees.push_back(grown.back().tree);
      }
      const auto masks = LeafMasks::Make(trees, features + 2);
      ASSERT_TRUE(masks.has_value());
      for (int k = 0; k < 200; ++k) {
        std::vector<double> row(features + 2);
        for (double& value : row) {
          value = static_cast<double>(random() % 200) / 4 - 25;
          if (random() % 20 == 0) value = random() % 2 == 0 ? kInfinity : -kInfinity;
        }
        std::vector<double> sums(groups, 0.125), expected = sums;
        masks->AddLeaves(row.data(), groups, sums.data());
        for (size_t t = 0; t < count; ++t) expected[t % groups] += grown[t].Walk(row);
        ASSERT_EQ(sums, expected);
      }
    }
  }
}

TEST(LeafMasksTest, RefusesWhatDoesNotFit) {
  std::mt19937_64 random(4);
  EXPECT_TRUE(LeafMasks::Make({Grow(32, 2, random).tree}, 2).has_value());
  LeafMasks::Tree large;
  large.leaves.resize(33);
  EXPECT_FALSE(LeafMasks::Make({large}, 2).has_value());
  LeafMasks::Tree nan = Grow(2, 1, random).tree;
  nan.splits[0].threshold = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(LeafMasks::Make({nan}, 1).has_value());
}

}  // namespace
}  // namespace tercet
