#include "runtime/block_trees.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/avx512.h"

namespace tercet {
namespace {

constexpr size_t kLanes = 64;
constexpr size_t kRows = ThresholdCodes<float>::kBlockRows;
constexpr size_t kParts = kRows / kLanes;  // of a block
/// A split of a completed tree costs about a quarter of one that is folded.
constexpr size_t kFoldCost = 4;

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};
template <typename Item>
using Aligned = std::unique_ptr<Item[], Freed>;

template <typename Item>
Aligned<Item> MakeAligned(size_t count) {
  const size_t bytes = (count * sizeof(Item) + 63) / 64 * 64;
  return Aligned<Item>(static_cast<Item*>(std::aligned_alloc(64, bytes)));
}

}  // namespace

/// What a thread works on while rows go through the trees.
template <typename Number>
struct BlockTrees<Number>::Block {
  size_t parts;              ///< of kLanes rows that are there
  Aligned<uint8_t> codes;    ///< of each column, kRows apart
  Aligned<uint8_t> slots;    ///< kRows each: results of folds, then for each leaf its number
  Aligned<Number> sums;      ///< kRows for each group
};

template <typename Number>
bool BlockTrees<Number>::Supported() {
  return HasAvx512();
}

template <typename Number>
std::optional<BlockTrees<Number>> BlockTrees<Number>::Make(
    const std::vector<NumberTree<Number>>& trees) {
  if (!Supported()) return std::nullopt;
  std::vector<NumberSplit<Number>> splits;
  for (const auto& tree : trees) {
    for (const auto& node : tree.nodes) {
      if (node.left != 0) splits.push_back(node.split);
    }
  }
  BlockTrees made;
  made.codes_of_ = ThresholdCodes<Number>::Make(splits);
  if (!made.codes_of_) return std::nullopt;
  for (const auto& tree : trees) {
    const size_t leaves = (tree.nodes.size() + 1) / 2;
    int depth = 0;
    std::vector<int> depths(tree.nodes.size(), 0);
    for (size_t i = 0; i < tree.nodes.size(); ++i) {
      const uint32_t left = tree.nodes[i].left;
      if (left != 0) depths[left] = depths[left + 1] = depths[i] + 1;
      depth = std::max(depth, depths[i]);
    }
    if (depth <= kMostLevels && (size_t{1} << depth) <= kFoldCost * leaves) {
      made.Complete(tree, std::max(depth, kFewestLevels));
    } else if (leaves <= kMostLeaves) {
      made.Fold(tree, leaves);
    } else {
      return std::nullopt;
    }
  }
  return made;
}

template <typename Number>
void BlockTrees<Number>::Complete(const NumberTree<Number>& from, int levels) {
  Tree tree{levels, static_cast<uint32_t>(from.group), codes_.size(), columns_.size(),
            (size_t{1} << levels) - 1, leaves_.size(), levels};
  // Nodes by level, the root at 1. Below a leaf that ends early all ways lead to its value.
  codes_.resize(codes_.size() + std::max<size_t>(size_t{1} << levels, kLanes), 1);
  std::vector<size_t> level = {0};
  for (int l = 0; l < levels; ++l) {
    std::vector<size_t> next;
    for (size_t i = 0; i < level.size(); ++i) {
      const auto& node = from.nodes[level[i]];
      typename ThresholdCodes<Number>::Place place{0, 1};
      if (node.left != 0) place = codes_of_->PlaceOf(node.split);
      codes_[tree.first_code + level.size() + i] = place.code;
      columns_.push_back(static_cast<uint32_t>(place.column * kRows));
      next.push_back(node.left != 0 ? node.left : level[i]);
      next.push_back(node.left != 0 ? node.left + 1 : level[i]);
    }
    level = std::move(next);
  }
  for (const size_t leaf : level) leaves_.push_back(from.nodes[leaf].value);
  trees_.push_back(tree);
}

template <typename Number>
void BlockTrees<Number>::Fold(const NumberTree<Number>& from, size_t leaf_count) {
  const int bits = std::max<int>(kFewestLevels, std::bit_width(leaf_count - 1));
  Tree tree{0, static_cast<uint32_t>(from.group), 0, steps_.size(), leaf_count - 1,
            leaves_.size(), bits};
  // Children lie behind their parents, so backwards every split finds what its sides come to. Slots
  // of leaves follow those of splits, which take the place of their left side where it is one.
  std::vector<uint16_t> slot_of(from.nodes.size());
  std::vector<uint16_t> free;
  uint16_t slots = 0;
  std::vector<Number> leaves;
  for (size_t i = from.nodes.size(); i-- > 0;) {
    const auto& node = from.nodes[i];
    if (node.left == 0) {
      slot_of[i] = static_cast<uint16_t>(kMostLeaves + leaves.size());
      leaves.push_back(node.value);
      continue;
    }
    const uint16_t left = slot_of[node.left], right = slot_of[node.left + 1];
    for (const uint16_t side : {left, right}) {
      if (side < kMostLeaves) free.push_back(side);
    }
    if (free.empty()) free.push_back(slots++);
    const uint16_t to = free.back();
    free.pop_back();
    const auto place = codes_of_->PlaceOf(node.split);
    slot_of[i] = to;
    steps_.push_back({static_cast<uint32_t>(place.column * kRows), left, right, to, place.code});
  }
  folded_leaves_ = std::max(folded_leaves_, leaves.size());
  leaves.resize(size_t{1} << bits);
  leaves_.insert(leaves_.end(), leaves.begin(), leaves.end());
  trees_.push_back(tree);
}

#if defined(__x86_64__)

namespace {

#define TERCET_INLINE __attribute__((always_inline)) inline TERCET_AVX512

/// The codes that 64 rows meet at a level: those of all its nodes, half of them by the rows' first
/// turn, half of these by the second …, so that only the last choice waits for the turn before.
template <int kLevel, int kTurn>
TERCET_INLINE __m512i CodesMet(const uint8_t* codes, const uint32_t* columns,
                               const __mmask64* right) {
  if constexpr (kTurn < 0) {
    return _mm512_load_si512(codes + *columns);
  } else {
    constexpr int kStride = 1 << (kLevel - 1 - kTurn);
    const __m512i on_left = CodesMet<kLevel, kTurn - 1>(codes, columns, right);
    const __m512i on_right = CodesMet<kLevel, kTurn - 1>(codes, columns + kStride, right);
    return _mm512_mask_blend_epi8(right[kTurn], on_left, on_right);
  }
}

/// The thresholds' codes of the rows' nodes, 2^kLevel and on.
template <int kLevel>
TERCET_INLINE __m512i CodesOf(const uint8_t* thresholds, __m512i node) {
  if constexpr (kLevel < 6) {
    return _mm512_permutexvar_epi8(node, _mm512_loadu_si512(thresholds));
  } else if constexpr (kLevel == 6) {
    return _mm512_permutexvar_epi8(node, _mm512_loadu_si512(thresholds + 64));
  } else {
    return _mm512_permutex2var_epi8(_mm512_loadu_si512(thresholds + 128), node,
                                    _mm512_loadu_si512(thresholds + 192));
  }
}

template <int kLevel, int kLevels>
TERCET_INLINE __m512i Descend(const uint8_t* codes, const uint8_t* thresholds,
                              const uint32_t* columns, __m512i node, __mmask64* right) {
  if constexpr (kLevel == kLevels) {
    return node;
  } else {
    const __m512i met =
        CodesMet<kLevel, kLevel - 1>(codes, columns + (1 << kLevel) - 1, right);
    right[kLevel] = _mm512_cmpge_epu8_mask(met, CodesOf<kLevel>(thresholds, node));
    node = _mm512_add_epi8(node, node);
    node = _mm512_mask_add_epi8(node, right[kLevel], node, _mm512_set1_epi8(1));
    return Descend<kLevel + 1, kLevels>(codes, thresholds, columns, node, right);
  }
}

/// The leaves that 64 rows come to in a completed tree. The root is node 1; of the last nodes'
/// numbers the lower kLevels bits are the leaf's.
template <int kLevels>
TERCET_INLINE __m512i Leaves(const uint8_t* codes, const uint8_t* thresholds,
                             const uint32_t* columns) {
  __mmask64 right[kLevels];
  return Descend<0, kLevels>(codes, thresholds, columns, _mm512_set1_epi8(1), right);
}

/// One of 2^kBits floats for each lane; bits above are not looked at.
template <int kBits>
TERCET_INLINE __m512 NumberAt(const float* numbers, __m512i index) {
  if constexpr (kBits == 4) {
    return _mm512_permutexvar_ps(index, _mm512_loadu_ps(numbers));
  } else if constexpr (kBits == 5) {
    return _mm512_permutex2var_ps(_mm512_loadu_ps(numbers), index, _mm512_loadu_ps(numbers + 16));
  } else {
    const __mmask16 upper =
        _mm512_test_epi32_mask(index, _mm512_set1_epi32(1 << (kBits - 1)));
    return _mm512_mask_blend_ps(upper, NumberAt<kBits - 1>(numbers, index),
                                NumberAt<kBits - 1>(numbers + (1 << (kBits - 1)), index));
  }
}

/// The same of doubles.
template <int kBits>
TERCET_INLINE __m512d NumberAt(const double* numbers, __m512i index) {
  if constexpr (kBits == 4) {
    return _mm512_permutex2var_pd(_mm512_loadu_pd(numbers), index, _mm512_loadu_pd(numbers + 8));
  } else {
    const __mmask8 upper = _mm512_test_epi64_mask(index, _mm512_set1_epi64(1 << (kBits - 1)));
    return _mm512_mask_blend_pd(upper, NumberAt<kBits - 1>(numbers, index),
                                NumberAt<kBits - 1>(numbers + (1 << (kBits - 1)), index));
  }
}

template <int kBits>
TERCET_INLINE void AddNumbers(const float* numbers, const uint8_t* leaves, float* sums) {
  for (size_t i = 0; i < kLanes; i += 16) {
    const __m512i index = _mm512_cvtepu8_epi32(
        _mm_load_si128(reinterpret_cast<const __m128i*>(leaves + i)));
    _mm512_store_ps(sums + i, _mm512_add_ps(_mm512_load_ps(sums + i),
                                            NumberAt<kBits>(numbers, index)));
  }
}

template <int kBits>
TERCET_INLINE void AddNumbers(const double* numbers, const uint8_t* leaves, double* sums) {
  for (size_t i = 0; i < kLanes; i += 8) {
    const __m512i index = _mm512_cvtepu8_epi64(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(leaves + i)));
    _mm512_store_pd(sums + i, _mm512_add_pd(_mm512_load_pd(sums + i),
                                            NumberAt<kBits>(numbers, index)));
  }
}

template <typename Number, int kLevels>
TERCET_AVX512 void AddCompleted(const uint8_t* codes, const uint8_t* thresholds,
                                const uint32_t* columns, const Number* leaves, size_t parts,
                                Number* sums) {
  alignas(64) uint8_t reached[kLanes];
  for (size_t part = 0; part < parts; ++part, codes += kLanes, sums += kLanes) {
    _mm512_store_si512(reached, Leaves<kLevels>(codes, thresholds, columns));
    AddNumbers<kLevels>(leaves, reached, sums);
  }
}

template <typename Number, int kBits>
TERCET_AVX512 void AddReached(const Number* leaves, const uint8_t* reached, size_t parts,
                              Number* sums) {
  for (size_t part = 0; part < parts; ++part, reached += kLanes, sums += kLanes) {
    AddNumbers<kBits>(leaves, reached, sums);
  }
}

template <typename Step>
TERCET_AVX512 void FoldSteps(const uint8_t* codes, const Step* steps, size_t count,
                             uint8_t* slots) {
  for (const Step* step = steps; step != steps + count; ++step) {
    const __m512i threshold = _mm512_set1_epi8(static_cast<char>(step->code));
    const uint8_t* column = codes + step->column;
    const uint8_t* left = slots + step->left * kRows;
    const uint8_t* right = slots + step->right * kRows;
    uint8_t* to = slots + step->to * kRows;
    for (size_t part = 0; part < kParts; ++part) {
      const size_t at = part * kLanes;
      const __mmask64 goes_right =
          _mm512_cmpge_epu8_mask(_mm512_load_si512(column + at), threshold);
      _mm512_store_si512(to + at,
                         _mm512_mask_blend_epi8(goes_right, _mm512_load_si512(left + at),
                                                _mm512_load_si512(right + at)));
    }
  }
}

}  // namespace

template <typename Number>
void BlockTrees<Number>::AddBlock(Block* block) const {
  using Completed = void (*)(const uint8_t*, const uint8_t*, const uint32_t*, const Number*,
                             size_t, Number*);
  static constexpr Completed kCompleted[] = {
      AddCompleted<Number, 4>, AddCompleted<Number, 5>, AddCompleted<Number, 6>,
      AddCompleted<Number, 7>, AddCompleted<Number, 8>};
  using Reached = void (*)(const Number*, const uint8_t*, size_t, Number*);
  static constexpr Reached kReached[] = {AddReached<Number, 4>, AddReached<Number, 5>,
                                         AddReached<Number, 6>, AddReached<Number, 7>,
                                         AddReached<Number, 8>};
  for (const Tree& tree : trees_) {
    const Number* leaves = leaves_.data() + tree.first_leaf;
    Number* sums = block->sums.get() + tree.group * kRows;
    if (tree.levels > 0) {
      kCompleted[tree.levels - kFewestLevels](block->codes.get(), codes_.data() + tree.first_code,
                                              columns_.data() + tree.first_split, leaves,
                                              block->parts, sums);
    } else {
      const Step* steps = steps_.data() + tree.first_split;
      FoldSteps(block->codes.get(), steps, tree.split_count, block->slots.get());
      const uint8_t* reached = block->slots.get() + steps[tree.split_count - 1].to * kRows;
      kReached[tree.leaf_bits - kFewestLevels](leaves, reached, block->parts, sums);
    }
  }
}

#else

template <typename Number>
void BlockTrees<Number>::AddBlock(Block*) const {}

#endif

template <typename Number>
void BlockTrees<Number>::AddLeaves(const ValuesOf& values_of, int64_t row_count,
                                   int64_t group_count, Number* sums) const {
  const auto groups = static_cast<size_t>(group_count);
  // A completed tree asks for a column even where no tree has a split.
  const size_t columns = std::max<size_t>(codes_of_->column_count(), 1);
  const size_t slots = folded_leaves_ == 0 ? 0 : kMostLeaves + folded_leaves_;
  Block block{0, MakeAligned<uint8_t>(columns * kRows), MakeAligned<uint8_t>(slots * kRows),
              MakeAligned<Number>(groups * kRows)};
  std::memset(block.codes.get(), 0, columns * kRows);
  for (size_t leaf = 0; leaf < folded_leaves_; ++leaf) {
    std::memset(block.slots.get() + (kMostLeaves + leaf) * kRows, static_cast<int>(leaf), kRows);
  }
  for (int64_t begin = 0; begin < row_count; begin += kRows) {
    const size_t count = std::min<size_t>(kRows, static_cast<size_t>(row_count - begin));
    block.parts = (count + kLanes - 1) / kLanes;
    codes_of_->Encode(
        [&](size_t feature, Number* values) {
          values_of(feature, begin, static_cast<int64_t>(count), values);
        },
        count, block.codes.get());
    Number* of_block = sums + begin * group_count;
    for (size_t g = 0; g < groups; ++g) {
      for (size_t r = 0; r < count; ++r) block.sums[g * kRows + r] = of_block[r * groups + g];
    }
    AddBlock(&block);
    for (size_t g = 0; g < groups; ++g) {
      for (size_t r = 0; r < count; ++r) of_block[r * groups + g] = block.sums[g * kRows + r];
    }
  }
}

template class BlockTrees<float>;
template class BlockTrees<double>;

}  // namespace tercet
