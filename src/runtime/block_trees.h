#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/threshold_codes.h"

namespace tercet {

/// A tree of splits of numbers, as its library grew it.
template <typename Number>
struct NumberTree {
  struct Node {
    uint32_t left = 0;  ///< index of the left child, the right one is next to it; 0: a leaf
    NumberSplit<Number> split;
    Number value = 0;  ///< of a leaf
  };
  std::vector<Node> nodes;  ///< the root first, children behind their parents
  size_t group = 0;         ///< which sum its leaf is added to
};

/// Trees evaluated for 64 rows at once with AVX-512, a row a byte: ThresholdCodes makes a byte of
/// each value, so that one instruction decides a split for 64 rows. There are two ways through a
/// tree, of which each takes the cheaper. Bushy trees are completed and gone through level by
/// level: the codes that rows meet at a level are chosen by the turns that they took before, one
/// register for each node, and their thresholds out of registers. Lean trees, whatever their depth,
/// are folded from the leaves up: each split chooses between what its two sides have come to.
/// Leaves are added in the order of the trees: sums are those of a walk, bit for bit.
template <typename Number>
class BlockTrees {
 public:
  /// Fewer than this are sooner walked one by one.
  static constexpr int64_t kFewestRows = 16;

  /// Whether this processor has what it takes.
  static bool Supported();
  /// nullopt where that is not so, and for trees of too many leaves or features.
  static std::optional<BlockTrees> Make(const std::vector<NumberTree<Number>>& trees);

  /// Values of rows [begin, begin + count) of a feature.
  using ValuesOf =
      std::function<void(size_t feature, int64_t begin, int64_t count, Number* values)>;
  /// Adds each tree's leaf to its group's sum: `sums` has `group_count` sums a row.
  void AddLeaves(const ValuesOf& values_of, int64_t row_count, int64_t group_count,
                 Number* sums) const;

 private:
  static constexpr int kFewestLevels = 4, kMostLevels = 8;
  static constexpr size_t kMostLeaves = 256;

  /// `to` = the row's code ≥ `code` ? `right` : `left`, all of them bytes of 64 rows.
  struct Step {
    uint32_t column;  ///< offset of the codes in a block
    uint16_t left, right, to;  ///< slots
    uint8_t code;
  };
  struct Tree {
    int levels;  ///< of a completed tree; 0: folded
    uint32_t group;
    size_t first_code;   ///< into codes_, of a completed tree
    size_t first_split;  ///< into columns_ of a completed tree, or into steps_
    size_t split_count;
    size_t first_leaf;   ///< into leaves_
    int leaf_bits;
  };
  struct Block;

  void Complete(const NumberTree<Number>& from, int levels);
  void Fold(const NumberTree<Number>& from, size_t leaf_count);
  void AddBlock(Block* block) const;

  std::optional<ThresholdCodes<Number>> codes_of_;
  std::vector<Tree> trees_;
  std::vector<uint8_t> codes_;
  std::vector<uint32_t> columns_;
  std::vector<Step> steps_;
  std::vector<Number> leaves_;
  size_t folded_leaves_ = 0;  ///< of the largest tree that is folded
};

extern template class BlockTrees<float>;
extern template class BlockTrees<double>;

}  // namespace tercet
