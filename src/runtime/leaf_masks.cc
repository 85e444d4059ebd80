#include "runtime/leaf_masks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

namespace tercet {
namespace {

/// Four masks that are worked on by one instruction, wherever they lie.
typedef uint32_t Masks __attribute__((vector_size(16), aligned(4), may_alias));

}  // namespace

std::optional<LeafMasks> LeafMasks::Make(const std::vector<Tree>& trees, size_t feature_count) {
  if (trees.size() > kMaxTrees) return std::nullopt;
  LeafMasks made;
  made.trees_ = trees.size();
  made.lanes_ = (trees.size() + kLanes - 1) / kLanes * kLanes;
  made.leaves_.resize(trees.size() * kMaxLeaves);
  // Feature → threshold → what its splits take away.
  std::vector<std::map<double, std::vector<Loss>>> splits(feature_count);
  for (size_t t = 0; t < trees.size(); ++t) {
    if (trees[t].leaves.size() > kMaxLeaves) return std::nullopt;
    std::copy(trees[t].leaves.begin(), trees[t].leaves.end(),
              made.leaves_.begin() + static_cast<int64_t>(t * kMaxLeaves));
    for (const Split& split : trees[t].splits) {
      if (std::isnan(split.threshold)) return std::nullopt;
      splits.at(split.feature)[split.threshold].push_back(
          {static_cast<uint32_t>(t), split.kept});
    }
  }
  for (size_t f = 0; f < feature_count; ++f) {
    if (splits[f].empty()) continue;
    const size_t count = splits[f].size();
    const size_t width = std::bit_ceil(count + 1);
    made.features_.push_back({.index = f,
                              .first_threshold = made.thresholds_.size(),
                              .half = static_cast<uint32_t>(width / 2),
                              .first_mask = made.masks_.size(),
                              .first_end = made.ends_.size()});
    std::vector<uint32_t> kept(made.lanes_, ~0u);
    size_t k = 0;
    const auto mark = [&] {
      if (k % kStep == 0) made.masks_.insert(made.masks_.end(), kept.begin(), kept.end());
      made.ends_.push_back(static_cast<uint32_t>(made.losses_.size()));
      ++k;
    };
    for (const auto& [threshold, losses] : splits[f]) {
      mark();
      made.thresholds_.push_back(threshold);
      for (const Loss& loss : losses) {
        kept[loss.tree] &= loss.kept;
        made.losses_.push_back(loss);
      }
    }
    mark();
    made.thresholds_.insert(made.thresholds_.end(), width - count,
                            std::numeric_limits<double>::infinity());
    if (made.masks_.size() * sizeof(uint32_t) > kMaxTableBytes) return std::nullopt;
  }
  if (made.features_.size() > kMaxFeatures) return std::nullopt;
  return made;
}

void LeafMasks::AddLeaves(const double* row, size_t group_count, double* sums) const {
  const uint32_t* tables[kMaxFeatures];
  uint32_t ranks[kMaxFeatures];  // how many thresholds are below the row's value
  for (size_t f = 0; f < features_.size(); ++f) {
    const Feature& feature = features_[f];
    const double value = row[feature.index];
    const double* thresholds = thresholds_.data() + feature.first_threshold;
    uint32_t rank = 0;
    for (uint32_t step = feature.half; step > 0; step /= 2) {
      rank += thresholds[rank + step - 1] < value ? step : 0;
    }
    ranks[f] = rank;
    tables[f] = masks_.data() + feature.first_mask + rank / kStep * lanes_;
  }
  uint32_t remaining[kMaxTrees];
  for (size_t t = 0; t < lanes_; t += kLanes) {
    const Masks all = {~0u, ~0u, ~0u, ~0u};
    Masks a = all, b = all, c = all, d = all;
    for (size_t f = 0; f < features_.size(); ++f) {
      const auto* masks = reinterpret_cast<const Masks*>(tables[f] + t);
      a &= masks[0];
      b &= masks[1];
      c &= masks[2];
      d &= masks[3];
    }
    auto* to = reinterpret_cast<Masks*>(remaining + t);
    to[0] = a;
    to[1] = b;
    to[2] = c;
    to[3] = d;
  }
  for (size_t f = 0; f < features_.size(); ++f) {
    const uint32_t* ends = ends_.data() + features_[f].first_end;
    const uint32_t end = ends[ranks[f]];
    for (uint32_t i = ends[ranks[f] / kStep * kStep]; i < end; ++i) {
      remaining[losses_[i].tree] &= losses_[i].kept;
    }
  }
  const double* leaves = leaves_.data();
  if (group_count == 1) {
    double sum = *sums;
    for (size_t t = 0; t < trees_; ++t, leaves += kMaxLeaves) {
      sum += leaves[std::countr_zero(remaining[t])];
    }
    *sums = sum;
    return;
  }
  for (size_t t = 0; t < trees_; ++t, leaves += kMaxLeaves) {
    sums[t % group_count] += leaves[std::countr_zero(remaining[t])];
  }
}

}  // namespace tercet
