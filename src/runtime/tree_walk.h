#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tercet {

/// The walk over flat trees that all ensembles share. A node has `feature`, whose kInnerNode bit
/// tells a split from a leaf, and `threshold`, which of a leaf is its value; a step from a leaf
/// leads to itself. So four walks, of four trees or of four rows, go side by side, which hides most
/// of their cache misses. Leaves are added in the order of the trees: sums are those of a loop over
/// trees, bit for bit.

inline constexpr uint32_t kInnerNode = 1u << 29;

/// Rows that share a walk over the trees, so that a tree is in the cache for all of them.
inline constexpr int64_t kWalkRows = 256;

/// A row-major matrix and the sums of its rows, `group_count` a row.
template <typename Number>
struct WalkedRows {
  const Number* values;
  int64_t count;
  int64_t feature_count;
  int64_t group_count;
  Number* sums;
};

/// `next(root, at, row)`: the node after node `at` of the tree at `root`.
template <typename Node, typename Number, typename Next>
inline Number LeafOf(const Node* root, const Number* row, const Next& next) {
  uint32_t at = 0;
  while ((root[at].feature & kInnerNode) != 0) at = next(root, at, row);
  return root[at].threshold;
}

/// Leaves of four walks, each of its own tree or row.
template <typename Node, typename Number, typename Next>
inline void FourLeavesOf(const Node* const* roots, const Number* const* rows, const Next& next,
                         Number* leaves) {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  while (((roots[0][a].feature | roots[1][b].feature | roots[2][c].feature |
           roots[3][d].feature) & kInnerNode) != 0) {
    a = next(roots[0], a, rows[0]);
    b = next(roots[1], b, rows[1]);
    c = next(roots[2], c, rows[2]);
    d = next(roots[3], d, rows[3]);
  }
  leaves[0] = roots[0][a].threshold;
  leaves[1] = roots[1][b].threshold;
  leaves[2] = roots[2][c].threshold;
  leaves[3] = roots[3][d].threshold;
}

/// One row: four trees at a time.
template <typename Node, typename Number, typename RootOf, typename GroupOf, typename Next>
void WalkRow(size_t tree_count, const RootOf& root_of, const GroupOf& group_of, const Next& next,
             const Number* row, Number* sums) {
  const Number* const same[4] = {row, row, row, row};
  Number leaves[4];
  size_t t = 0;
  for (; t + 4 <= tree_count; t += 4) {
    const Node* roots[4];
    for (size_t k = 0; k < 4; ++k) roots[k] = root_of(t + k);
    FourLeavesOf(roots, same, next, leaves);
    for (size_t k = 0; k < 4; ++k) sums[group_of(t + k)] += leaves[k];
  }
  for (; t < tree_count; ++t) sums[group_of(t)] += LeafOf(root_of(t), row, next);
}

/// A tree over a block of rows, four rows at a time.
template <typename Node, typename Number, typename Next>
void WalkBlock(const Node* root, size_t group, const Next& next, const WalkedRows<Number>& rows) {
  const Node* const roots[4] = {root, root, root, root};
  Number leaves[4];
  int64_t i = 0;
  for (; i + 4 <= rows.count; i += 4) {
    const Number* four[4];
    for (int64_t k = 0; k < 4; ++k) four[k] = rows.values + (i + k) * rows.feature_count;
    FourLeavesOf(roots, four, next, leaves);
    for (int64_t k = 0; k < 4; ++k) rows.sums[(i + k) * rows.group_count + group] += leaves[k];
  }
  for (; i < rows.count; ++i) {
    rows.sums[i * rows.group_count + group] +=
        LeafOf(root, rows.values + i * rows.feature_count, next);
  }
}

/// Adds each tree's leaf to its group's sum. `root_of(t)`: the tree's first node; `group_of(t)`.
template <typename Node, typename Number, typename RootOf, typename GroupOf, typename Next>
void WalkTrees(size_t tree_count, const RootOf& root_of, const GroupOf& group_of, const Next& next,
               const WalkedRows<Number>& rows) {
  if (rows.count == 1) {
    return WalkRow<Node>(tree_count, root_of, group_of, next, rows.values, rows.sums);
  }
  for (int64_t begin = 0; begin < rows.count; begin += kWalkRows) {
    WalkedRows<Number> block = rows;
    block.values += begin * rows.feature_count;
    block.sums += begin * rows.group_count;
    block.count = std::min(rows.count - begin, kWalkRows);
    for (size_t t = 0; t < tree_count; ++t) {
      WalkBlock<Node>(root_of(t), group_of(t), next, block);
    }
  }
}

}  // namespace tercet
