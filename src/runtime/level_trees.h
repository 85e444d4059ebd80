#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tercet {

/// Complete binary trees of float splits, evaluated for 16 rows at once with AVX-512: a level after
/// the other, where the rows' nodes of a level are chosen out of registers and not out of memory.
/// A row goes right where !(value < threshold); a missing value, NaN, goes the split's own way.
/// Leaves are added in the order of the trees: sums are those of a walk, bit for bit.
class LevelTrees {
 public:
  struct Split {
    float threshold = 0;
    uint32_t feature = 0;
    bool missing_left = false;
  };
  static constexpr int kMostDepth = 8;
  static constexpr uint32_t kMostFeatures = 1 << 26;
  /// Fewer than this are sooner walked one by one.
  static constexpr int64_t kFewestRows = 24;

  /// Whether this processor has what it takes.
  static bool Supported();

  /// Adds a tree: splits by level, the root's children at 1 and 2, 2^depth − 1 in all; and the
  /// leaves below the last level from left to right. `depth` ≤ kMostDepth.
  void Add(int depth, const std::vector<Split>& splits, const std::vector<float>& leaves,
           uint32_t group);
  /// Forgets all trees.
  void Clear();
  size_t size() const { return trees_.size(); }

  /// Adds each tree's leaf to its group's sum: `rows` is row-major, `sums` has `group_count` sums
  /// a row. `missing`: whether a value may be NaN. Only where Supported().
  void AddLeaves(const float* rows, int64_t row_count, int64_t feature_count, int64_t group_count,
                 bool missing, float* sums) const;

 private:
  struct Tree {
    int depth;
    uint32_t group;
    size_t first_split;  ///< in thresholds_ and features_
    size_t first_leaf;
  };

  template <bool kMissing>
  void AddBlock(const float* lanes, int64_t feature_count, float* sums) const;

  std::vector<Tree> trees_;
  std::vector<float> thresholds_;
  std::vector<int32_t> features_;  ///< × 16, so where the lanes have it; < 0: missing_left
  std::vector<float> leaves_;
};

}  // namespace tercet
