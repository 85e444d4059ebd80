#include "runtime/lane_trees.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/avx512.h"

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

/// A split as its codes are made for rows that miss nothing, or for all.
NumberSplit<float> SplitOf(const Tree::Node& node, bool takes_missing) {
  NumberSplit<float> split = node.split;
  if (!takes_missing) split.missing = Missing::kRight;
  return split;
}

std::optional<ThresholdCodes<float>> CodesOf(const std::vector<Tree>& trees, bool takes_missing) {
  std::vector<NumberSplit<float>> splits;
  for (const Tree& tree : trees) {
    for (const Tree::Node& node : tree.nodes) {
      if (node.left != 0) splits.push_back(SplitOf(node, takes_missing));
    }
  }
  return ThresholdCodes<float>::Make(splits);
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
  // Values that may be missing take twice the columns, where features miss them on both sides.
  const auto fits = [&] {
    made.codes_of_ = CodesOf(trees, made.takes_missing_);
    return made.codes_of_ && made.codes_of_->column_count() <=
                                 std::min(kMostTables * kLanes, kMostColumns * trees.size());
  };
  if (!fits()) {
    made.takes_missing_ = false;
    if (!fits()) return std::nullopt;
  }
  // Lanes beside the last trees stay zero; no sum has them.
  const size_t blocks = (trees.size() + kLanes - 1) / kLanes;
  const size_t leaf_count = size_t{1} << made.depth_, split_count = leaf_count - 1;
  made.splits_.resize(blocks * split_count);
  const bool wide = made.codes_of_->column_count() > kFewTables * kLanes;
  if (wide) made.tables_.resize(made.splits_.size());
  for (size_t t = 0; t < trees.size(); ++t) {
    const Tree& tree = trees[t];
    made.groups_.push_back(static_cast<uint32_t>(tree.group));
    made.one_sum_ &= tree.group == 0;
    size_t to = t / kLanes * split_count;
    std::vector<size_t> level = {0};
    for (int depth = 0; depth < made.depth_; ++depth) {
      std::vector<size_t> next;
      for (const size_t at : level) {
        const Tree::Node& node = tree.nodes[at];
        const bool leaf = node.left == 0;
        if (!leaf) {
          const auto place = made.codes_of_->PlaceOf(SplitOf(node, made.takes_missing_));
          made.splits_[to].columns[t % kLanes] = static_cast<uint8_t>(place.column);
          made.splits_[to].codes[t % kLanes] = place.code;
          if (wide) {
            made.tables_[to].numbers[t % kLanes] =
                static_cast<uint8_t>(place.column / (kFewTables * kLanes));
          }
        }
        ++to;
        // Below a leaf that ends early all ways lead to its value.
        next.push_back(leaf ? at : node.left);
        next.push_back(leaf ? at : node.left + 1);
      }
      level = std::move(next);
    }
    for (const size_t at : level) made.leaves_.push_back(tree.nodes[at].value);
  }
  return made;
}

#if defined(__x86_64__)

namespace {

#define TERCET_INLINE __attribute__((always_inline)) inline TERCET_AVX512

/// What the lanes' trees ask; `table` only of rows of more than four registers.
struct LaneSplits {
  __m512i column, code, table;
};

/// One of the row's codes for each lane.
template <size_t kTables>
TERCET_INLINE __m512i CodesAt(const __m512i* row, const LaneSplits& lanes) {
  if constexpr (kTables == 1) {
    return _mm512_permutexvar_epi8(lanes.column, row[0]);
  } else if constexpr (kTables == 4) {
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(lanes.column),
                                  _mm512_permutex2var_epi8(row[0], lanes.column, row[1]),
                                  _mm512_permutex2var_epi8(row[2], lanes.column, row[3]));
  } else {
    static_assert(kTables == 16);
    const __mmask64 odd = _mm512_test_epi8_mask(lanes.table, _mm512_set1_epi8(1));
    const __mmask64 upper = _mm512_test_epi8_mask(lanes.table, _mm512_set1_epi8(2));
    return _mm512_mask_blend_epi8(
        upper,
        _mm512_mask_blend_epi8(odd, CodesAt<4>(row, lanes), CodesAt<4>(row + 4, lanes)),
        _mm512_mask_blend_epi8(odd, CodesAt<4>(row + 8, lanes), CodesAt<4>(row + 12, lanes)));
  }
}

/// The lanes' splits among all of a level: half of them by the first turn, half of these by the
/// second …, so that only the last choice waits for the turn before.
template <int kLevel, int kTurn, bool kWide, typename Splits, typename Tables>
TERCET_INLINE LaneSplits Chosen(const Splits* splits, const Tables* tables,
                                const __mmask64* right) {
  LaneSplits chosen{};
  if constexpr (kTurn < 0) {
    chosen.column = _mm512_loadu_si512(splits->columns);
    chosen.code = _mm512_loadu_si512(splits->codes);
    if constexpr (kWide) chosen.table = _mm512_loadu_si512(tables->numbers);
  } else {
    constexpr int kStride = 1 << (kLevel - 1 - kTurn);
    const __mmask64 turn = right[kTurn];
    const LaneSplits on_left = Chosen<kLevel, kTurn - 1, kWide>(splits, tables, right);
    const LaneSplits on_right =
        Chosen<kLevel, kTurn - 1, kWide>(splits + kStride, kWide ? tables + kStride : tables,
                                         right);
    chosen.column = _mm512_mask_blend_epi8(turn, on_left.column, on_right.column);
    chosen.code = _mm512_mask_blend_epi8(turn, on_left.code, on_right.code);
    if constexpr (kWide) {
      chosen.table = _mm512_mask_blend_epi8(turn, on_left.table, on_right.table);
    }
  }
  return chosen;
}

/// Goes down from a level to the leaves; `node`: of each lane, within the level.
template <int kLevel, int kDepth, size_t kTables, typename Splits, typename Tables>
TERCET_INLINE __m512i Descend(const __m512i* row, const Splits* splits, const Tables* tables,
                              __mmask64* right, __m512i node) {
  if constexpr (kLevel == kDepth) {
    return node;
  } else {
    constexpr int kFirst = (1 << kLevel) - 1;
    constexpr bool kWide = kTables > 4;  // else there are no tables to add to
    const LaneSplits lanes = Chosen<kLevel, kLevel - 1, kWide>(
        splits + kFirst, kWide ? tables + kFirst : tables, right);
    right[kLevel] = _mm512_cmpge_epu8_mask(CodesAt<kTables>(row, lanes), lanes.code);
    node = _mm512_add_epi8(node, node);
    node = _mm512_mask_add_epi8(node, right[kLevel], node, _mm512_set1_epi8(1));
    return Descend<kLevel + 1, kDepth, kTables>(row, splits, tables, right, node);
  }
}

}  // namespace

template <int kDepth, size_t kTables>
TERCET_AVX512 void LaneTrees::AddLeavesOf(const uint8_t* row, float* sums) const {
  constexpr size_t kLeaves = size_t{1} << kDepth;
  __m512i codes[kTables];
  for (size_t i = 0; i < kTables; ++i) codes[i] = _mm512_load_si512(row + kLanes * i);
  const Splits* splits = splits_.data();
  const Tables* tables = tables_.data();
  const float* leaves = leaves_.data();
  float sum = *sums;  // of group 0
  for (size_t first = 0; first < groups_.size(); first += kLanes) {
    __mmask64 right[kMostDepth] = {};
    alignas(64) uint8_t reached[kLanes];
    _mm512_store_si512(reached, Descend<0, kDepth, kTables>(codes, splits, tables, right,
                                                            _mm512_setzero_si512()));
    const size_t count = std::min(kLanes, groups_.size() - first);
    if (one_sum_) {
      for (size_t k = 0; k < count; ++k) sum += leaves[k * kLeaves + reached[k]];
    } else {
      for (size_t k = 0; k < count; ++k) {
        sums[groups_[first + k]] += leaves[k * kLeaves + reached[k]];
      }
    }
    splits += kLeaves - 1;
    if constexpr (kTables > kFewTables) tables += kLeaves - 1;
    leaves += kLanes * kLeaves;
  }
  if (one_sum_) *sums = sum;
}

void LaneTrees::AddLeaves(const float* row, float* sums) const {
  using Function = void (LaneTrees::*)(const uint8_t*, float*) const;
  static constexpr auto kOfDepth = []<int... kDepth>(std::integer_sequence<int, kDepth...>) {
    return std::array<std::array<Function, 3>, sizeof...(kDepth)>{
        {{&LaneTrees::AddLeavesOf<kDepth, 1>, &LaneTrees::AddLeavesOf<kDepth, kFewTables>,
          &LaneTrees::AddLeavesOf<kDepth, kMostTables>}...}};
  }(std::make_integer_sequence<int, kMostDepth + 1>());
  alignas(64) uint8_t codes[kMostTables * kLanes] = {};
  codes_of_->EncodeRow(row, codes);
  const size_t columns = codes_of_->column_count();
  const size_t width = columns > kFewTables * kLanes ? 2 : columns > kLanes ? 1 : 0;
  (this->*kOfDepth[depth_][width])(codes, sums);
}

#else

void LaneTrees::AddLeaves(const float*, float*) const {}

#endif

}  // namespace tercet
