#include "runtime/block_trees.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace tercet {
namespace {

template <typename Number>
using Limits = std::numeric_limits<Number>;

/// The definition: whether a value goes right.
template <typename Number>
bool GoesRight(const NumberSplit<Number>& split, Number value) {
  const bool nan = std::isnan(value);
  const bool zero = nan || std::fabs(static_cast<double>(value)) <= kZeroDistance;
  switch (split.missing) {
    case Missing::kLeft: return !nan && value >= split.threshold;
    case Missing::kRight: return nan || value >= split.threshold;
    case Missing::kAsZero: return (nan ? Number{0} : value) >= split.threshold;
    case Missing::kZeroLeft: return !zero && value >= split.threshold;
    case Missing::kZeroRight: return zero || value >= split.threshold;
  }
  return false;
}

template <typename Number>
Number LeafOf(const NumberTree<Number>& tree, const Number* row) {
  size_t at = 0;
  while (tree.nodes[at].left != 0) {
    const auto& node = tree.nodes[at];
    at = node.left + (GoesRight(node.split, row[node.split.feature]) ? 1 : 0);
  }
  return tree.nodes[at].value;
}

/// Values and thresholds are often equal: numbers about which a comparison may go wrong, and few
/// others.
template <typename Number>
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : random_(seed) {}

  size_t Below(size_t bound) { return random_() % bound; }
  Number Value(size_t spread) {
    constexpr Number kInfinity = Limits<Number>::infinity();
    static constexpr Number kSome[] = {-kInfinity, Limits<Number>::lowest(), Number(-1e-36), -0.0,
                                       0.0, Limits<Number>::denorm_min(), Number(1e-35f),
                                       Number(1.1e-35f), Limits<Number>::max(), kInfinity};
    if (Below(4) == 0) return kSome[Below(std::size(kSome))];
    return static_cast<Number>(Below(spread)) / 8 - 10;
  }
  /// Grown by splitting leaves: the first that is left, which makes a bush, or the last, a chain.
  NumberTree<Number> Tree(size_t leaves, size_t features, size_t spread, size_t group) {
    NumberTree<Number> tree;
    tree.nodes.emplace_back();
    tree.group = group;
    const bool bush = Below(2) == 0;
    std::vector<size_t> open = {0};
    while (open.size() < leaves) {
      const size_t pick = bush ? 0 : open.size() - 1 - Below(std::min<size_t>(open.size(), 2));
      const size_t at = open[pick];
      open.erase(open.begin() + static_cast<int64_t>(pick));
      const size_t left = tree.nodes.size();
      tree.nodes[at].left = static_cast<uint32_t>(left);
      tree.nodes[at].split = {Below(features), Value(spread),
                              static_cast<Missing>(Below(kMissingKinds))};
      tree.nodes.resize(left + 2);
      open.push_back(left);
      open.push_back(left + 1);
    }
    for (const size_t at : open) {
      tree.nodes[at].value = static_cast<Number>(Below(1 << 30)) * Number(1e-9) - Number(0.4);
    }
    return tree;
  }

 private:
  std::mt19937_64 random_;
};

template <typename Number>
class BlockTreesTest : public ::testing::Test {
 public:
  static void ExpectEqualSums(const std::vector<NumberTree<Number>>& trees, size_t features,
                              size_t groups, size_t rows, size_t spread,
                              Numbers<Number>* numbers) {
    const auto made = BlockTrees<Number>::Make(trees);
    ASSERT_TRUE(made.has_value());
    std::vector<Number> values(rows * features);
    const bool missing = numbers->Below(2) == 0;
    for (Number& value : values) {
      value = missing && numbers->Below(5) == 0 ? Limits<Number>::quiet_NaN()
                                                : numbers->Value(spread);
    }
    std::vector<Number> sums(rows * groups, Number(0.1)), expected = sums;
    for (const auto& tree : trees) {
      for (size_t r = 0; r < rows; ++r) {
        expected[r * groups + tree.group] += LeafOf(tree, values.data() + r * features);
      }
    }
    made->AddLeaves(
        [&](size_t feature, int64_t begin, int64_t count, Number* out) {
          for (int64_t i = 0; i < count; ++i) {
            out[i] = values[static_cast<size_t>(begin + i) * features + feature];
          }
        },
        static_cast<int64_t>(rows), static_cast<int64_t>(groups), sums.data());
    ASSERT_EQ(sums, expected);
  }
};

using Both = ::testing::Types<float, double>;
TYPED_TEST_SUITE(BlockTreesTest, Both);

TYPED_TEST(BlockTreesTest, AddTheLeavesThatANaiveWalkDoes) {
  if (!BlockTrees<TypeParam>::Supported()) GTEST_SKIP() << "this processor has no AVX-512 VBMI";
  Numbers<TypeParam> numbers(11);
  for (int round = 0; round < 80; ++round) {
    const size_t features = 1 + numbers.Below(40), groups = 1 + numbers.Below(3);
    // Many different thresholds of a feature take several columns of codes.
    const size_t spread = round % 4 == 0 ? 5000 : 160;
    const size_t most_leaves = size_t{1} << numbers.Below(9);
    std::vector<NumberTree<TypeParam>> trees;
    for (int t = 0; t < 30; ++t) {
      trees.push_back(numbers.Tree(1 + numbers.Below(most_leaves), features, spread,
                                   numbers.Below(groups)));
    }
    SCOPED_TRACE(round);
    this->ExpectEqualSums(trees, features, groups, 1 + numbers.Below(600), spread, &numbers);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(BlockTreesTest, TakeEveryDepth) {
  if (!BlockTrees<TypeParam>::Supported()) GTEST_SKIP() << "this processor has no AVX-512 VBMI";
  Numbers<TypeParam> numbers(12);
  for (size_t depth = 0; depth <= 8; ++depth) {
    SCOPED_TRACE(depth);
    const std::vector<NumberTree<TypeParam>> trees = {
        numbers.Tree(size_t{1} << depth, 3, 160, 0), numbers.Tree(size_t{1} << depth, 3, 160, 0)};
    this->ExpectEqualSums(trees, 3, 1, 300, 160, &numbers);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(BlockTreesTest, RefuseWhatDoesNotFit) {
  if (!BlockTrees<TypeParam>::Supported()) GTEST_SKIP() << "this processor has no AVX-512 VBMI";
  Numbers<TypeParam> numbers(13);
  EXPECT_FALSE(BlockTrees<TypeParam>::Make({numbers.Tree(300, 2, 160, 0)}).has_value());
  NumberTree<TypeParam> nan = numbers.Tree(2, 1, 160, 0);
  nan.nodes[0].split.threshold = Limits<TypeParam>::quiet_NaN();
  EXPECT_FALSE(BlockTrees<TypeParam>::Make({nan}).has_value());
}

}  // namespace
}  // namespace tercet
