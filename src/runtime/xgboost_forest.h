#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "runtime/block_trees.h"
#include "runtime/lane_trees.h"
#include "runtime/model_document.h"
#include "runtime/tree_walk.h"

namespace tercet {

/// XGBoost's trees as one flat array of nodes. Margins are bit-equal to XGBoost's: thresholds and
/// leaves are floats, and leaves are added in the order of the trees to the base margin.
class XgboostForest {
 public:
  /// Adds the trees of "gradient_booster.model". `weights`: one factor a tree (DART), or empty.
  /// IOError for trees that are no trees: children or features out of range, cycles, shared nodes.
  Status Add(const DocumentValue& model, int64_t feature_count, int64_t group_count,
             const std::vector<double>& weights);

  /// The same trees for many rows at a time; null where there is no such way.
  const BlockTrees<float>* blocks() const { return blocks_ ? &*blocks_ : nullptr; }

  /// Adds each tree's leaf to its group's margin: `rows` is row-major, `margins` has
  /// `group_count` numbers a row and holds the base margins.
  void AddLeaves(const float* rows, int64_t row_count, int64_t feature_count, int64_t group_count,
                 float* margins) const;

 private:
  /// Siblings are neighbours, the left one first, and a node's children come after it, so that a
  /// walk only moves forward. 12 bytes: five to a cache line. A leaf leads to itself, see
  /// tree_walk.h.
  struct Node {
    float threshold;      ///< of a leaf its value; of a categorical split the index of its set
    uint32_t feature;     ///< and in the high bits kDefaultLeft, kCategorical, kInner
    uint32_t left;        ///< how far behind this node; of a leaf 0
  };
  static constexpr uint32_t kDefaultLeft = 1u << 31, kCategorical = 1u << 30, kInner = kInnerNode;
  static constexpr uint32_t kFeature = kInner - 1;

  struct Tree {
    uint32_t root = 0;
    uint32_t group = 0;
  };
  /// The categories that go right, one bit each.
  struct CategorySet {
    size_t first_word = 0;
    size_t words = 0;
  };

  Status AddTree(const DocumentValue& tree, int64_t feature_count, float weight);
  /// Makes the other forms of the trees.
  void Prepare();
  /// What a split may meet; each is a walk of its own, so that the common one has nothing to ask.
  enum class Splits {
    kPlain,        ///< numbers that are there
    kMissing,      ///< and values that count as missing
    kCategorical,  ///< and sets of categories
  };
  template <Splits splits>
  const Node* Next(const Node* node, const float* row) const;
  bool GoesRight(const CategorySet& set, float value) const;

  std::vector<Node> nodes_;
  std::vector<Tree> trees_;
  std::vector<CategorySet> sets_;
  std::vector<uint32_t> set_words_;
  std::optional<BlockTrees<float>> blocks_;
  std::optional<LaneTrees> lanes_;  ///< for one row
};

}  // namespace tercet
