#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/block_trees.h"
#include "runtime/threshold_codes.h"

namespace tercet {

/// Trees of float splits for one row, 64 trees at once with AVX-512, a tree a byte: ThresholdCodes
/// makes bytes of the row, few enough for registers, so that few instructions fetch what 64 trees
/// ask for, and another decides their splits. They are completed to one depth; at each level a
/// tree's split is chosen among all of the level by the turns that it took before, which costs less
/// than to fetch it from memory: there are only two bytes of a split, three where a row has more
/// than 256. Leaves are added in the order of the trees: sums are those of a walk, bit for bit.
class LaneTrees {
 public:
  /// nullopt where the processor has no AVX-512, and for trees so deep or so lean that completing
  /// them costs more than it brings, of too many features for registers, or so few that to make
  /// bytes of these costs more than a walk.
  static std::optional<LaneTrees> Make(const std::vector<NumberTree<float>>& trees);

  /// False: the rows may have no NaN.
  bool takes_missing() const { return takes_missing_; }

  /// Adds each tree's leaf to its group's sum. `row` has all features.
  void AddLeaves(const float* row, float* sums) const;

 private:
  static constexpr size_t kLanes = 64;
  static constexpr int kMostDepth = 8;
  static constexpr size_t kMostGrowth = 4;  ///< completed nodes for each that was there
  static constexpr size_t kFewTables = 4;    ///< registers of kLanes codes of the row
  static constexpr size_t kMostTables = 16;
  static constexpr size_t kMostColumns = 8;  ///< for each tree

  /// What the lanes' trees ask at one place.
  struct Splits {
    uint8_t columns[kLanes];  ///< within kFewTables
    uint8_t codes[kLanes];
  };
  /// Which kFewTables of the row's the columns are in.
  struct Tables {
    uint8_t numbers[kLanes];
  };

  template <int kDepth, size_t kTables>
  void AddLeavesOf(const uint8_t* row, float* sums) const;

  int depth_ = 0;
  bool one_sum_ = true;  ///< all trees are of group 0
  bool takes_missing_ = true;
  std::optional<ThresholdCodes<float>> codes_of_;
  std::vector<uint32_t> groups_;  ///< one a tree
  std::vector<Splits> splits_;    ///< by kLanes trees, then by level and node
  std::vector<Tables> tables_;    ///< of each of splits_; empty where the row has kFewTables
  std::vector<float> leaves_;     ///< by tree, from left to right
};

}  // namespace tercet
