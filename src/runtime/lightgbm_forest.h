#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/lightgbm_text.h"

namespace tercet {

/// LightGBM's trees as one flat array of nodes. Sums are bit-equal to LightGBM's: thresholds and
/// leaves are doubles, and leaves are added in the order of the trees to zero.
class LightgbmForest {
 public:
  /// Adds one "Tree=" section. IOError for trees that are no trees: children or features out of
  /// range, cycles, shared nodes. NotImplemented for linear trees.
  Status AddTree(const LightgbmSection& section, int64_t feature_count);

  int64_t tree_count() const { return static_cast<int64_t>(roots_.size()); }

  /// Adds the leaf of tree t to sum t mod `group_count` of each row. Row-major.
  void AddLeaves(const double* rows, int64_t row_count, int64_t feature_count, int64_t group_count,
                 double* sums) const;

 private:
  enum class Missing : uint8_t { kNone, kZero, kNan };
  /// Siblings are neighbours, the left one first.
  struct Node {
    double threshold;   ///< of a leaf its value; of a categorical split the index of its set
    uint32_t feature;
    uint32_t left;      ///< from the tree's root; 0 in a leaf
    Missing missing;
    bool default_left;
    bool categorical;
  };
  struct CategorySet {
    size_t first_word = 0;
    size_t words = 0;
  };

  double Leaf(const Node* root, const double* row) const;
  bool GoesRight(const Node& node, double value) const;

  std::vector<Node> nodes_;
  std::vector<size_t> roots_;
  std::vector<CategorySet> sets_;
  std::vector<uint32_t> set_words_;
};

}  // namespace tercet
