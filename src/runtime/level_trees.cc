#include "runtime/level_trees.h"

#include <algorithm>
#include <cstdlib>

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 sees its own intrinsics use what is not set (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace tercet {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kBlocks = 4;  // of 16 rows that go through a tree together
constexpr size_t kPadding = 32;  // numbers behind the last tree, which a load may take along
constexpr int32_t kMissingLeft = INT32_MIN;

}  // namespace

void LevelTrees::Add(int depth, const std::vector<Split>& splits, const std::vector<float>& leaves,
                     uint32_t group) {
  if (trees_.empty()) {
    thresholds_.resize(kPadding);
    features_.resize(kPadding);
    leaves_.resize(kPadding);
  }
  // The padding stays behind what is put in.
  trees_.push_back({depth, group, thresholds_.size() - kPadding, leaves_.size() - kPadding});
  for (const Split& split : splits) {
    thresholds_.insert(thresholds_.end() - kPadding, split.threshold);
    const auto lanes = static_cast<int32_t>(split.feature * kLanes);
    features_.insert(features_.end() - kPadding, split.missing_left ? lanes | kMissingLeft : lanes);
  }
  leaves_.insert(leaves_.end() - kPadding, leaves.begin(), leaves.end());
}

void LevelTrees::Clear() {
  trees_.clear();
  thresholds_.clear();
  features_.clear();
  leaves_.clear();
}

#if defined(__x86_64__)

#define TERCET_AVX512 __attribute__((target("avx512f"), always_inline)) inline

namespace {

/// What is known of 16 rows on their way down.
struct Way {
  __m512i node;      ///< within the level
  __mmask16 right[LevelTrees::kMostDepth];
};

/// The values of the rows' nodes at one of the first levels: all of the level's features, less and
/// less of them, by the rows' last turn, the one before …
template <int kLevel>
TERCET_AVX512 __m512 ValuesOfFew(const float* lanes, const int32_t* features, const Way& way) {
  __m512 values[1 << kLevel];
  for (int i = 0; i < 1 << kLevel; ++i) {
    values[i] = _mm512_load_ps(lanes + (features[i] & ~kMissingLeft));
  }
  for (int level = kLevel - 1; level >= 0; --level) {
    for (int i = 0; i < 1 << level; ++i) {
      values[i] = _mm512_mask_blend_ps(way.right[level], values[2 * i], values[2 * i + 1]);
    }
  }
  return values[0];
}

template <int kLevel>
TERCET_AVX512 __m512i FeaturesAt(const int32_t* features, const __m512i& node) {
  if constexpr (kLevel <= 4) {
    return _mm512_permutexvar_epi32(node, _mm512_loadu_si512(features));
  } else if constexpr (kLevel == 5) {
    return _mm512_permutex2var_epi32(_mm512_loadu_si512(features), node,
                                     _mm512_loadu_si512(features + 16));
  } else {
    return _mm512_i32gather_epi32(node, features, 4);
  }
}

/// One of 2^kBits numbers for each lane.
template <int kBits>
TERCET_AVX512 __m512 NumberAt(const float* numbers, const __m512i& index) {
  if constexpr (kBits <= 4) {
    return _mm512_permutexvar_ps(index, _mm512_loadu_ps(numbers));
  } else if constexpr (kBits == 5) {
    return _mm512_permutex2var_ps(_mm512_loadu_ps(numbers), index, _mm512_loadu_ps(numbers + 16));
  } else if constexpr (kBits == 6) {
    const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
    return _mm512_mask_blend_ps(upper, NumberAt<5>(numbers, index),
                                NumberAt<5>(numbers + 32, index));
  } else {
    return _mm512_i32gather_ps(index, numbers, 4);
  }
}

template <int kLevel, bool kMissing>
TERCET_AVX512 void Descend(const float* lanes, const float* thresholds, const int32_t* features,
                           Way* way) {
  // Up to 16 loads cost less than a gather of 16 lanes.
  constexpr bool kFew = kLevel <= 4;
  __m512i feature = _mm512_setzero_si512();
  if constexpr (!kFew || kMissing) feature = FeaturesAt<kLevel>(features, way->node);
  __m512 value;
  if constexpr (kFew) {
    value = ValuesOfFew<kLevel>(lanes, features, *way);
  } else {
    const __m512i lane =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i at = _mm512_add_epi32(
        _mm512_and_epi32(feature, _mm512_set1_epi32(~kMissingLeft)), lane);
    value = _mm512_i32gather_ps(at, lanes, 4);
  }
  const __m512 threshold = NumberAt<kLevel>(thresholds, way->node);
  __mmask16 right = _mm512_cmp_ps_mask(value, threshold, _CMP_NLT_UQ);
  if constexpr (kMissing) {
    const __mmask16 missing = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    const __mmask16 left = _mm512_mask_cmplt_epi32_mask(missing, feature, _mm512_setzero_si512());
    right = _mm512_kandn(left, right);
  }
  way->right[kLevel] = right;
  way->node = _mm512_add_epi32(way->node, way->node);
  way->node = _mm512_mask_add_epi32(way->node, right, way->node, _mm512_set1_epi32(1));
}

template <int kLevel, int kDepth, bool kMissing>
TERCET_AVX512 void DescendFrom(const float* lanes, const float* thresholds,
                               const int32_t* features, Way* way) {
  if constexpr (kLevel < kDepth) {
    Descend<kLevel, kMissing>(lanes, thresholds + (1 << kLevel) - 1,
                              features + (1 << kLevel) - 1, way);
    DescendFrom<kLevel + 1, kDepth, kMissing>(lanes, thresholds, features, way);
  }
}

/// Adds a tree's leaves to the sums of kBlocks blocks of 16 rows.
template <int kDepth, bool kMissing>
__attribute__((target("avx512f"), noinline)) void AddTree(const float* lanes,
                                                          int64_t block_numbers,
                                                          const float* thresholds,
                                                          const int32_t* features,
                                                          const float* leaves, float* sums) {
  for (int64_t block = 0; block < kBlocks; ++block) {
    Way way;
    way.node = _mm512_setzero_si512();
    DescendFrom<0, kDepth, kMissing>(lanes + block * block_numbers, thresholds, features, &way);
    float* sum = sums + block * kLanes;
    _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), NumberAt<kDepth>(leaves, way.node)));
  }
}

struct AlignedFloats {
  explicit AlignedFloats(int64_t count)
      : values(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(count) * 4))) {}
  ~AlignedFloats() { std::free(values); }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;

  float* const values;
};

}  // namespace

bool LevelTrees::Supported() { return __builtin_cpu_supports("avx512f"); }

template <bool kMissing>
void LevelTrees::AddBlock(const float* lanes, int64_t feature_count, float* sums) const {
  using Function = void (*)(const float*, int64_t, const float*, const int32_t*, const float*,
                            float*);
  static constexpr Function kOfDepth[kMostDepth + 1] = {
      AddTree<0, kMissing>, AddTree<1, kMissing>, AddTree<2, kMissing>,
      AddTree<3, kMissing>, AddTree<4, kMissing>, AddTree<5, kMissing>,
      AddTree<6, kMissing>, AddTree<7, kMissing>, AddTree<8, kMissing>};
  for (const Tree& tree : trees_) {
    kOfDepth[tree.depth](lanes, feature_count * kLanes, thresholds_.data() + tree.first_split,
                         features_.data() + tree.first_split, leaves_.data() + tree.first_leaf,
                         sums + tree.group * kBlocks * kLanes);
  }
}

void LevelTrees::AddLeaves(const float* rows, int64_t row_count, int64_t feature_count,
                           int64_t group_count, bool missing, float* sums) const {
  constexpr int64_t kRows = kBlocks * kLanes;
  // Of each block the values of 16 rows for one feature lie together; sums by group and row.
  const AlignedFloats lanes(std::max<int64_t>(feature_count, 1) * kRows);
  const AlignedFloats totals(group_count * kRows);
  for (int64_t begin = 0; begin < row_count; begin += kRows) {
    const int64_t count = std::min(kRows, row_count - begin);
    for (int64_t r = 0; r < kRows; ++r) {
      const int64_t row = begin + std::min(r, count - 1);  // the last one again, to fill the block
      const float* from = rows + row * feature_count;
      float* to = lanes.values + r / kLanes * feature_count * kLanes + r % kLanes;
      for (int64_t f = 0; f < feature_count; ++f) to[f * kLanes] = from[f];
      for (int64_t g = 0; g < group_count; ++g) {
        totals.values[g * kRows + r] = sums[row * group_count + g];
      }
    }
    if (missing) {
      AddBlock<true>(lanes.values, feature_count, totals.values);
    } else {
      AddBlock<false>(lanes.values, feature_count, totals.values);
    }
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t g = 0; g < group_count; ++g) {
        sums[(begin + r) * group_count + g] = totals.values[g * kRows + r];
      }
    }
  }
}

#else

bool LevelTrees::Supported() { return false; }

void LevelTrees::AddLeaves(const float*, int64_t, int64_t, int64_t, bool, float*) const {}

#endif

}  // namespace tercet
