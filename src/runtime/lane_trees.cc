#include "runtime/lane_trees.h"

#include <algorithm>

#include "runtime/avx512.h"

namespace tercet {
namespace {

using Tree = NumberTree<float>;

int DepthOf(const Tree& tree) {
  std::vector<int> depths(tree.nodes.size(), 0);
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    const uint32_t left = tree.nodes[i].left;
    if (left != 0) depths[left] = depths[left + 1] = depths[i] + 1;
  }
  return *std::max_element(depths.begin(), depths.end());
}

}  // namespace

std::optional<LaneTrees> LaneTrees::Make(const std::vector<Tree>& trees) {
  if (!HasAvx512()) return std::nullopt;
  LaneTrees made;
  size_t nodes = 0;
  for (const Tree& tree : trees) {
    made.depth_ = std::max(made.depth_, DepthOf(tree));
    nodes += tree.nodes.size();
  }
  if (made.depth_ > kMostDepth || (trees.size() << (made.depth_ + 1)) > kMostGrowth * nodes) {
    return std::nullopt;
  }
  // Lanes beside the last trees stay zero; no sum has them.
  const size_t blocks = (trees.size() + kLanes - 1) / kLanes;
  const size_t leaf_count = size_t{1} << made.depth_, split_count = leaf_count - 1;
  made.thresholds_.resize(blocks * split_count * kLanes);
  made.features_.resize(blocks * split_count * kLanes);
  made.leaves_.resize(blocks * leaf_count * kLanes);
  for (size_t t = 0; t < trees.size(); ++t) {
    const Tree& tree = trees[t];
    made.groups_.push_back(static_cast<uint32_t>(tree.group));
    made.one_sum_ &= tree.group == 0;
    size_t to = t / kLanes * split_count * kLanes + t % kLanes;
    std::vector<size_t> level = {0};
    for (int depth = 0; depth < made.depth_; ++depth) {
      std::vector<size_t> next;
      for (const size_t at : level) {
        // Below a leaf that ends early all ways lead to its value.
        const Tree::Node& node = tree.nodes[at];
        const bool leaf = node.left == 0;
        made.thresholds_[to] = leaf ? 0 : node.split.threshold;
        made.features_[to] = leaf ? 0 : static_cast<int32_t>(node.split.feature);
        to += kLanes;
        next.push_back(leaf ? at : node.left);
        next.push_back(leaf ? at : node.left + 1);
      }
      level = std::move(next);
    }
    to = t / kLanes * leaf_count * kLanes + t % kLanes;
    for (const size_t at : level) {
      made.leaves_[to] = tree.nodes[at].value;
      to += kLanes;
    }
  }
  return made;
}

#if defined(__x86_64__)

namespace {

/// The values of a row: in registers where they are few, else in memory.
template <bool kFew>
struct RowValues {
  const float* row;
  __m512 few[4];
};

template <bool kFew>
TERCET_AVX512 inline __m512 ValuesAt(const RowValues<kFew>& values, __m512i feature) {
  if constexpr (!kFew) return _mm512_i32gather_ps(feature, values.row, 4);
  const __mmask16 upper = _mm512_test_epi32_mask(feature, _mm512_set1_epi32(32));
  return _mm512_mask_blend_ps(
      upper, _mm512_permutex2var_ps(values.few[0], feature, values.few[1]),
      _mm512_permutex2var_ps(values.few[2], feature, values.few[3]));
}

/// The lanes' splits at one of the first levels: all of the level's, less and less of them by the
/// turns that were taken, the last one first. Costs less than a gather.
template <int kLevel>
TERCET_AVX512 inline void FirstSplits(const float* thresholds, const int32_t* features,
                                      const __mmask16* right, __m512* threshold,
                                      __m512i* feature) {
  __m512 t[1 << kLevel];
  __m512i f[1 << kLevel];
  for (int i = 0; i < 1 << kLevel; ++i) {
    t[i] = _mm512_loadu_ps(thresholds + 16 * i);
    f[i] = _mm512_loadu_si512(features + 16 * i);
  }
  for (int level = kLevel - 1; level >= 0; --level) {
    for (int i = 0; i < 1 << level; ++i) {
      t[i] = _mm512_mask_blend_ps(right[level], t[2 * i], t[2 * i + 1]);
      f[i] = _mm512_mask_blend_epi32(right[level], f[2 * i], f[2 * i + 1]);
    }
  }
  *threshold = t[0];
  *feature = f[0];
}

/// Goes down from a level to the leaves; `node`: of each lane, within the level.
template <int kLevel, int kDepth, bool kFew>
TERCET_AVX512 inline __m512i Descend(const RowValues<kFew>& values, const float* thresholds,
                                     const int32_t* features, __mmask16* right, __m512i node) {
  if constexpr (kLevel == kDepth) {
    return node;
  } else {
    constexpr int kFirst = 16 * ((1 << kLevel) - 1);
    __m512 threshold;
    __m512i feature;
    if constexpr (kLevel <= 2) {
      FirstSplits<kLevel>(thresholds + kFirst, features + kFirst, right, &threshold, &feature);
    } else {
      const __m512i lane =
          _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
      const __m512i at = _mm512_add_epi32(_mm512_slli_epi32(node, 4), lane);
      threshold = _mm512_i32gather_ps(at, thresholds + kFirst, 4);
      feature = _mm512_i32gather_epi32(at, features + kFirst, 4);
    }
    const __m512 value = ValuesAt<kFew>(values, feature);
    const __mmask16 turn = _mm512_cmp_ps_mask(value, threshold, _CMP_NLT_UQ);
    if constexpr (kLevel <= 1) right[kLevel] = turn;
    node = _mm512_add_epi32(node, node);
    node = _mm512_mask_add_epi32(node, turn, node, _mm512_set1_epi32(1));
    return Descend<kLevel + 1, kDepth, kFew>(values, thresholds, features, right, node);
  }
}

}  // namespace

template <int kDepth, bool kFew>
TERCET_AVX512 void LaneTrees::AddLeavesOf(const float* row, float* sums) const {
  constexpr size_t kLeaves = kLanes << kDepth, kSplits = kLeaves - kLanes;
  RowValues<kFew> values{.row = row};
  if constexpr (kFew) {
    for (int i = 0; i < 4; ++i) values.few[i] = _mm512_loadu_ps(row + 16 * i);
  }
  const float* thresholds = thresholds_.data();
  const int32_t* features = features_.data();
  const float* leaves = leaves_.data();
  const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (size_t first = 0; first < groups_.size(); first += kLanes) {
    __mmask16 right[2] = {};
    const __m512i leaf = Descend<0, kDepth, kFew>(values, thresholds, features, right,
                                                  _mm512_setzero_si512());
    alignas(64) float found[kLanes];
    const __m512i at = _mm512_add_epi32(_mm512_slli_epi32(leaf, 4), lane);
    _mm512_store_ps(found, _mm512_i32gather_ps(at, leaves, 4));
    const size_t count = std::min(kLanes, groups_.size() - first);
    if (one_sum_) {
      float sum = *sums;
      for (size_t k = 0; k < count; ++k) sum += found[k];
      *sums = sum;
    } else {
      for (size_t k = 0; k < count; ++k) sums[groups_[first + k]] += found[k];
    }
    thresholds += kSplits;
    features += kSplits;
    leaves += kLeaves;
  }
}

void LaneTrees::AddLeaves(const float* row, size_t feature_count, float* sums) const {
  using Function = void (LaneTrees::*)(const float*, float*) const;
  static constexpr Function kOfDepth[kMostDepth + 1][2] = {
      {&LaneTrees::AddLeavesOf<0, false>, &LaneTrees::AddLeavesOf<0, true>},
      {&LaneTrees::AddLeavesOf<1, false>, &LaneTrees::AddLeavesOf<1, true>},
      {&LaneTrees::AddLeavesOf<2, false>, &LaneTrees::AddLeavesOf<2, true>},
      {&LaneTrees::AddLeavesOf<3, false>, &LaneTrees::AddLeavesOf<3, true>},
      {&LaneTrees::AddLeavesOf<4, false>, &LaneTrees::AddLeavesOf<4, true>},
      {&LaneTrees::AddLeavesOf<5, false>, &LaneTrees::AddLeavesOf<5, true>},
      {&LaneTrees::AddLeavesOf<6, false>, &LaneTrees::AddLeavesOf<6, true>},
      {&LaneTrees::AddLeavesOf<7, false>, &LaneTrees::AddLeavesOf<7, true>},
      {&LaneTrees::AddLeavesOf<8, false>, &LaneTrees::AddLeavesOf<8, true>}};
  if (feature_count > kFewFeatures) return (this->*kOfDepth[depth_][0])(row, sums);
  float few[kFewFeatures] = {};
  std::copy_n(row, feature_count, few);
  (this->*kOfDepth[depth_][1])(few, sums);
}

#else

void LaneTrees::AddLeaves(const float*, size_t, float*) const {}

#endif

}  // namespace tercet
