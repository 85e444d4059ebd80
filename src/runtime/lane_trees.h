#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/block_trees.h"

namespace tercet {

/// Trees of float splits for one row, sixteen trees at once with AVX-512, a tree a lane. They are
/// completed to one depth, so that all ways down have as many steps and a node's children are found
/// by counting. Leaves are added in the order of the trees: sums are those of a walk, bit for bit.
class LaneTrees {
 public:
  /// nullopt where the processor has no AVX-512, and for trees so deep or so lean that completing
  /// them costs more than it brings.
  static std::optional<LaneTrees> Make(const std::vector<NumberTree<float>>& trees);

  /// Adds each tree's leaf to its group's sum. No value of the row is NaN.
  void AddLeaves(const float* row, size_t feature_count, float* sums) const;

 private:
  static constexpr size_t kLanes = 16;
  static constexpr int kMostDepth = 8;
  static constexpr size_t kMostGrowth = 4;    ///< completed nodes for each that was there
  static constexpr size_t kFewFeatures = 64;  ///< so many values stay in registers

  template <int kDepth, bool kFew>
  void AddLeavesOf(const float* row, float* sums) const;

  int depth_ = 0;
  bool one_sum_ = true;           ///< all trees are of group 0
  std::vector<uint32_t> groups_;  ///< one a tree
  /// By sixteen trees, then by level and node, then by tree.
  std::vector<float> thresholds_;
  std::vector<int32_t> features_;
  std::vector<float> leaves_;  ///< by sixteen trees, from left to right, then by tree
};

}  // namespace tercet
