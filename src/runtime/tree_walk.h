#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tercet {

/// The walk over flat trees that all ensembles share. A node has `feature`, whose kInnerNode bit
/// tells a split from a leaf, `threshold`, which of a leaf is its value, and `left`, how far its
/// left child is behind it; siblings are neighbours, and a step from a leaf leads to itself. So
/// several walks, of trees or of rows, go side by side, which hides most of the time that one waits
/// for its next node. Leaves are added in the order of the trees: sums are those of a loop over
/// trees, bit for bit.

inline constexpr uint32_t kInnerNode = 1u << 29;

/// Walks that go side by side.
inline constexpr size_t kWalks = 8;

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

  bool HasNan() const {
    bool found = false;
    for (int64_t i = 0; i < count * feature_count; ++i) found |= values[i] != values[i];
    return found;
  }
};

/// `next(node, row)`: the node after a node.
template <typename Node, typename Number, typename Next>
inline Number LeafOf(const Node* node, const Number* row, const Next& next) {
  while ((node->feature & kInnerNode) != 0) node = next(node, row);
  return node->threshold;
}

/// The leaves of kWalks walks; `nodes` holds their roots, and then their leaves. `row_of(k)`: the
/// row of walk k.
template <typename Node, typename RowOf, typename Next>
inline void WalkToLeaves(const RowOf& row_of, const Next& next, const Node** nodes) {
  while (true) {
    uint32_t flags = 0;
    for (size_t k = 0; k < kWalks; ++k) flags |= nodes[k]->feature;
    if ((flags & kInnerNode) == 0) return;
    for (size_t k = 0; k < kWalks; ++k) nodes[k] = next(nodes[k], row_of(k));
  }
}

/// One row: several trees at a time.
template <typename Node, typename Number, typename RootOf, typename GroupOf, typename Next>
void WalkRow(size_t tree_count, const RootOf& root_of, const GroupOf& group_of, const Next& next,
             const Number* row, Number* sums) {
  const auto row_of = [row](size_t) { return row; };
  size_t t = 0;
  for (; t + kWalks <= tree_count; t += kWalks) {
    const Node* nodes[kWalks];
    for (size_t k = 0; k < kWalks; ++k) nodes[k] = root_of(t + k);
    WalkToLeaves(row_of, next, nodes);
    for (size_t k = 0; k < kWalks; ++k) sums[group_of(t + k)] += nodes[k]->threshold;
  }
  for (; t < tree_count; ++t) sums[group_of(t)] += LeafOf(root_of(t), row, next);
}

/// A tree over a block of rows, several rows at a time.
template <typename Node, typename Number, typename Next>
void WalkBlock(const Node* root, size_t group, const Next& next, const WalkedRows<Number>& rows) {
  int64_t i = 0;
  for (; i + static_cast<int64_t>(kWalks) <= rows.count; i += kWalks) {
    const Number* first = rows.values + i * rows.feature_count;
    const auto row_of = [&](size_t k) {
      return first + static_cast<int64_t>(k) * rows.feature_count;
    };
    const Node* nodes[kWalks];
    std::fill_n(nodes, kWalks, root);
    WalkToLeaves(row_of, next, nodes);
    Number* sums = rows.sums + i * rows.group_count + group;
    for (size_t k = 0; k < kWalks; ++k) sums[k * rows.group_count] += nodes[k]->threshold;
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
