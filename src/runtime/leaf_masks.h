#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tercet {

/// Trees of at most 32 leaves, evaluated for one row without walking: every split at whose right
/// side the row is takes the leaves on its left away, and the first leaf that remains is the row's
/// (Lucchese et al., "QuickScorer: a Fast Algorithm to Rank Documents with Additive Ensembles of
/// Regression Trees", SIGIR 2015). Sorted by threshold, the splits of a feature that take leaves
/// away are the first ones; what the first k thresholds take away together is kept for every
/// eighth k, for all trees side by side, so that few splits are looked at one by one. Leaves are
/// added in the order of the trees, so sums are those of a walk, bit for bit.
class LeafMasks {
 public:
  /// A split: rows with a value above the threshold go right.
  struct Split {
    size_t feature = 0;
    double threshold = 0;
    uint32_t kept = 0;  ///< the leaves that a row on the right side may still reach, a bit each
  };
  struct Tree {
    std::vector<Split> splits;
    std::vector<double> leaves;  ///< from left to right
  };

  /// nullopt for trees that have more leaves, or are so many that the tables would not stay in the
  /// cache.
  static std::optional<LeafMasks> Make(const std::vector<Tree>& trees, size_t feature_count);

  /// Adds the leaf of tree t to sum t mod `group_count`. No value of the row is NaN.
  void AddLeaves(const double* row, size_t group_count, double* sums) const;

  static constexpr size_t kMaxLeaves = 32;

 private:
  static constexpr size_t kStep = 8;     ///< thresholds from one kept mask to the next
  static constexpr size_t kLanes = 16;   ///< trees whose masks are worked on together
  static constexpr size_t kMaxTrees = 2048;
  static constexpr size_t kMaxFeatures = 256;
  static constexpr size_t kMaxTableBytes = 4 << 20;

  /// One that some split looks at.
  struct Feature {
    size_t index = 0;            ///< in a row
    size_t first_threshold = 0;  ///< into thresholds_, of a power of two of them
    uint32_t half = 0;           ///< of that power
    size_t first_mask = 0;       ///< into masks_
    size_t first_end = 0;        ///< into ends_
  };
  struct Loss {
    uint32_t tree = 0;
    uint32_t kept = 0;
  };

  size_t trees_ = 0;
  size_t lanes_ = 0;  ///< trees, rounded up to kLanes
  std::vector<Feature> features_;
  std::vector<double> thresholds_;  ///< of each feature, ascending, filled up with infinity
  std::vector<uint32_t> masks_;     ///< lanes_ for each kStep thresholds of each feature
  std::vector<Loss> losses_;        ///< by feature and threshold
  std::vector<uint32_t> ends_;      ///< of each feature, how many losses come before a threshold
  std::vector<double> leaves_;      ///< kMaxLeaves a tree
};

}  // namespace tercet
