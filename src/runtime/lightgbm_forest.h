#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/block_trees.h"
#include "runtime/leaf_masks.h"
#include "runtime/lightgbm_text.h"
#include "runtime/tree_walk.h"

namespace tercet {

/// LightGBM's trees as one flat array of nodes. Sums are bit-equal to LightGBM's: thresholds and
/// leaves are doubles, and leaves are added in the order of the trees to zero.
class LightgbmForest {
 public:
  /// Adds one "Tree=" section. IOError for trees that are no trees: children or features out of
  /// range, cycles, shared nodes. NotImplemented for linear trees.
  Status AddTree(const LightgbmSection& section, int64_t feature_count);

  /// To be called once all trees are there: gets shorter ways ready for single rows and for many,
  /// where the trees have them. Leaves of tree t are added to sum t mod `group_count`.
  void Prepare(int64_t feature_count, int64_t group_count);
  /// The same trees for many rows at a time; null where there is no such way.
  const BlockTrees<double>* blocks() const { return blocks_ ? &*blocks_ : nullptr; }

  int64_t tree_count() const { return static_cast<int64_t>(roots_.size()); }

  /// Adds the leaf of tree t to sum t mod `group_count` of each row. Row-major.
  void AddLeaves(const double* rows, int64_t row_count, int64_t feature_count, int64_t group_count,
                 double* sums) const;

 private:
  /// Siblings are neighbours, the left one first. 16 bytes: four to a cache line. A leaf leads to
  /// itself: see tree_walk.h.
  struct Node {
    double threshold;   ///< of a leaf its value; of a categorical split the index of its set
    uint32_t feature;   ///< and flags in the high bits
    uint32_t left;      ///< how far behind this node; of a leaf 0
  };
  static constexpr uint32_t kDefaultLeft = 1u << 31, kCategorical = 1u << 30, kInner = kInnerNode;
  /// What counts as missing beside the default: zero, NaN, or (without both) nothing.
  static constexpr uint32_t kZeroIsMissing = 1u << 28, kNanIsMissing = 1u << 27;
  static constexpr uint32_t kFeature = kNanIsMissing - 1;
  struct CategorySet {
    size_t first_word = 0;
    size_t words = 0;
  };

  /// What a split may meet; each is a walk of its own, so that the common one has nothing to ask.
  enum class Splits {
    kPlain,        ///< numbers that are there
    kMissing,      ///< and values that count as missing
    kCategorical,  ///< and sets of categories
  };
  template <Splits splits>
  const Node* Next(const Node* node, const double* row) const;
  bool GoesRight(const CategorySet& set, double value) const;
  void PrepareSingleRows(int64_t feature_count);
  void PrepareBlocks(int64_t group_count);
  uint32_t AddToMasks(const Node* node, LeafMasks::Tree* tree) const;

  std::vector<Node> nodes_;
  std::vector<size_t> roots_;
  bool zero_is_missing_ = false;  ///< in some split
  std::vector<CategorySet> sets_;
  std::vector<uint32_t> set_words_;
  std::optional<LeafMasks> masks_;  ///< of one row without missing values
  std::optional<BlockTrees<double>> blocks_;
};

}  // namespace tercet
