#include "runtime/lightgbm_forest.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tercet {
namespace {

// LightGBM's tree.h: kCategoricalMask, kDefaultLeftMask, then two bits of missing type.
constexpr int64_t kCategoricalBit = 1, kDefaultLeftBit = 2;
constexpr int64_t kMissingZero = 1, kMissingNan = 2;
constexpr int64_t kMaxLeaves = 1 << 24;

Status Corrupt(std::string_view what) {
  return Status::IOError("corrupt LightGBM tree: ", what);
}

/// LightGBM reads numbers so close to 0 as 0. The threshold that tells numbers as they are apart in
/// the way in which the file's tells those that it reads.
double ThresholdOfUnread(double threshold) {
  if (!(std::fabs(threshold) <= kZeroDistance)) return threshold;
  return threshold < 0 ? std::nextafter(-kZeroDistance, -1.0) : kZeroDistance;
}

}  // namespace

Status LightgbmForest::AddTree(const LightgbmSection& section, int64_t feature_count) {
  ARROW_ASSIGN_OR_RAISE(const int64_t leaves, section.Int("num_leaves"));
  if (leaves < 1 || leaves > kMaxLeaves || nodes_.size() > (1u << 30)) {
    return Corrupt("its number of leaves is out of range");
  }
  if (section.Has("is_linear")) {
    ARROW_ASSIGN_OR_RAISE(const int64_t linear, section.Int("is_linear"));
    if (linear != 0) {
      return Status::NotImplemented(
          "LightGBM linear trees are not evaluated; train with linear_tree=false");
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto values,
                        section.Doubles("leaf_value", static_cast<size_t>(leaves)));
  const size_t root = nodes_.size();
  if (leaves == 1) {
    nodes_.push_back({values[0], 0, 0});
    roots_.push_back(root);
    return Status::OK();
  }

  const auto splits = static_cast<size_t>(leaves - 1);
  ARROW_ASSIGN_OR_RAISE(const auto features, section.Ints("split_feature", splits));
  ARROW_ASSIGN_OR_RAISE(const auto thresholds, section.Doubles("threshold", splits));
  ARROW_ASSIGN_OR_RAISE(const auto decisions, section.Ints("decision_type", splits));
  ARROW_ASSIGN_OR_RAISE(const auto lefts, section.Ints("left_child", splits));
  ARROW_ASSIGN_OR_RAISE(const auto rights, section.Ints("right_child", splits));
  std::vector<int64_t> boundaries, words;
  const size_t first_word = set_words_.size();
  if (section.Has("num_cat")) {
    ARROW_ASSIGN_OR_RAISE(const int64_t sets, section.Int("num_cat"));
    if (sets < 0 || sets > leaves) return Corrupt("its number of categorical splits");
    if (sets > 0) {
      ARROW_ASSIGN_OR_RAISE(boundaries,
                            section.Ints("cat_boundaries", static_cast<size_t>(sets) + 1));
      ARROW_ASSIGN_OR_RAISE(const auto word_texts, section.Words("cat_threshold"));
      ARROW_ASSIGN_OR_RAISE(words, section.Ints("cat_threshold", word_texts.size()));
    }
  }
  for (const int64_t word : words) {
    if (word < 0 || word > std::numeric_limits<uint32_t>::max()) {
      return Corrupt("a set of categories is out of range");
    }
    set_words_.push_back(static_cast<uint32_t>(word));
  }

  // Breadth first, each node reached once. A child of -1 - i is leaf i.
  std::vector<int64_t> order = {0};
  std::vector<bool> split_seen(splits, false), leaf_seen(static_cast<size_t>(leaves), false);
  split_seen[0] = true;
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] < 0) {
      nodes_.push_back({values[static_cast<size_t>(-1 - order[i])], 0, 0});
      continue;
    }
    const auto id = static_cast<size_t>(order[i]);
    if (features[id] < 0 || features[id] >= feature_count) {
      return Corrupt("a split's feature is out of range");
    }
    const int64_t missing = (decisions[id] >> 2) & 3;
    if (decisions[id] < 0 || missing > 2) return Corrupt("a split's decision type is unknown");
    Node node{ThresholdOfUnread(thresholds[id]), static_cast<uint32_t>(features[id]) | kInner,
              static_cast<uint32_t>(order.size() - i)};
    if ((decisions[id] & kDefaultLeftBit) != 0) node.feature |= kDefaultLeft;
    if (missing == kMissingZero) {
      node.feature |= kZeroIsMissing;
      zero_is_missing_ = true;
    }
    if (missing == kMissingNan) node.feature |= kNanIsMissing;
    if ((decisions[id] & kCategoricalBit) != 0) {
      node.feature |= kCategorical;
      const double index = thresholds[id];
      if (!(index >= 0 && index + 1 < static_cast<double>(boundaries.size()))) {
        return Corrupt("a split's set of categories does not exist");
      }
      const int64_t begin = boundaries[static_cast<size_t>(index)];
      const int64_t end = boundaries[static_cast<size_t>(index) + 1];
      if (begin < 0 || end < begin || end > static_cast<int64_t>(words.size())) {
        return Corrupt("a set of categories is out of range");
      }
      node.threshold = static_cast<double>(sets_.size());
      sets_.push_back({first_word + static_cast<size_t>(begin), static_cast<size_t>(end - begin)});
    }
    nodes_.push_back(node);
    for (const int64_t child : {lefts[id], rights[id]}) {
      const bool is_leaf = child < 0;
      const int64_t index = is_leaf ? -1 - child : child;
      auto& seen = is_leaf ? leaf_seen : split_seen;
      if (index >= static_cast<int64_t>(seen.size()) || seen[static_cast<size_t>(index)]) {
        return Corrupt("its children do not make a tree");
      }
      seen[static_cast<size_t>(index)] = true;
      order.push_back(child);
    }
  }
  roots_.push_back(root);
  return Status::OK();
}

void LightgbmForest::Prepare(int64_t feature_count, int64_t group_count) {
  PrepareSingleRows(feature_count);
  PrepareBlocks(group_count);
}

void LightgbmForest::PrepareBlocks(int64_t group_count) {
  blocks_.reset();
  if (!BlockTrees<double>::Supported() || !sets_.empty()) return;
  std::vector<NumberTree<double>> trees;
  for (size_t t = 0; t < roots_.size(); ++t) {
    const size_t end = t + 1 < roots_.size() ? roots_[t + 1] : nodes_.size();
    NumberTree<double>& tree = trees.emplace_back();
    tree.group = t % static_cast<size_t>(group_count);
    for (size_t i = roots_[t]; i < end; ++i) {
      const Node& node = nodes_[i];
      if ((node.feature & kInner) == 0) {
        tree.nodes.push_back({.value = node.threshold});
        continue;
      }
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      if (node.threshold == kInfinity) return;  // nothing goes right, and nothing follows it
      const bool left = (node.feature & kDefaultLeft) != 0;
      Missing missing = Missing::kAsZero;
      if ((node.feature & kNanIsMissing) != 0) missing = left ? Missing::kLeft : Missing::kRight;
      if ((node.feature & kZeroIsMissing) != 0) {
        missing = left ? Missing::kZeroLeft : Missing::kZeroRight;
      }
      // Above a number is at or above the one that follows it.
      tree.nodes.push_back({.left = static_cast<uint32_t>(i - roots_[t]) + node.left,
                            .split = {.feature = node.feature & kFeature,
                                      .threshold = std::nextafter(node.threshold, kInfinity),
                                      .missing = missing}});
    }
  }
  blocks_ = BlockTrees<double>::Make(trees);
}

void LightgbmForest::PrepareSingleRows(int64_t feature_count) {
  masks_.reset();
  if (!sets_.empty() || zero_is_missing_) return;
  std::vector<LeafMasks::Tree> trees;
  for (size_t t = 0; t < roots_.size(); ++t) {
    const size_t end = t + 1 < roots_.size() ? roots_[t + 1] : nodes_.size();
    // A binary tree has one leaf more than splits; so the walk below is no deeper than that.
    if ((end - roots_[t] + 1) / 2 > LeafMasks::kMaxLeaves) return;
    AddToMasks(nodes_.data() + roots_[t], &trees.emplace_back());
  }
  masks_ = LeafMasks::Make(trees, static_cast<size_t>(feature_count));
}

uint32_t LightgbmForest::AddToMasks(const Node* node, LeafMasks::Tree* tree) const {
  if ((node->feature & kInner) == 0) {
    tree->leaves.push_back(node->threshold);
    return 1u << (tree->leaves.size() - 1);
  }
  const uint32_t left = AddToMasks(node + node->left, tree);
  tree->splits.push_back({.feature = node->feature & kFeature,
                          .threshold = node->threshold,
                          .kept = ~left});
  return left | AddToMasks(node + node->left + 1, tree);
}

bool LightgbmForest::GoesRight(const CategorySet& set, double value) const {
  if (!(value > -1.0) || value >= 2147483648.0) return true;  // NaN too
  const auto category = static_cast<uint32_t>(value);
  const size_t word = category / 32;
  return word >= set.words || (set_words_[set.first_word + word] >> (category % 32) & 1u) == 0;
}

template <LightgbmForest::Splits splits>
inline const LightgbmForest::Node* LightgbmForest::Next(const Node* node,
                                                        const double* row) const {
  const double stored = row[node->feature & kFeature];
  // Without branches: which way a row goes can't be predicted, or no tree would be needed.
  bool right = !(stored <= node->threshold);
  if constexpr (splits != Splits::kPlain) {
    const bool is_nan = stored != stored;
    const double value = is_nan ? 0.0 : stored;
    const bool is_zero = std::fabs(value) <= kZeroDistance;
    const bool missing = (is_nan & ((node->feature & kNanIsMissing) != 0)) |
                         (is_zero & ((node->feature & kZeroIsMissing) != 0));
    right = (missing & ((node->feature & kDefaultLeft) == 0)) |
            (!missing & !(value <= node->threshold));
    if constexpr (splits == Splits::kCategorical) {
      if ((node->feature & kCategorical) != 0) {
        right = GoesRight(sets_[static_cast<size_t>(node->threshold)], stored);
      }
    }
  }
  return node + node->left + static_cast<uint32_t>(right & ((node->feature & kInner) != 0));
}

void LightgbmForest::AddLeaves(const double* rows, int64_t row_count, int64_t feature_count,
                               int64_t group_count, double* sums) const {
  const WalkedRows<double> rows_of{rows, row_count, feature_count, group_count, sums};
  const auto root_of = [this](size_t tree) { return nodes_.data() + roots_[tree]; };
  const auto groups = static_cast<size_t>(group_count);
  if (row_count == 1 && masks_ && !rows_of.HasNan()) return masks_->AddLeaves(rows, groups, sums);
  const auto group_of = [groups](size_t tree) { return groups == 1 ? 0 : tree % groups; };
  const auto walk = [&]<Splits splits>() {
    const auto next = [this](const Node* node, const double* row) {
      return Next<splits>(node, row);
    };
    WalkTrees<Node>(roots_.size(), root_of, group_of, next, rows_of);
  };
  if (!sets_.empty()) {
    walk.template operator()<Splits::kCategorical>();
  } else if (!zero_is_missing_ && !rows_of.HasNan()) {
    walk.template operator()<Splits::kPlain>();
  } else {
    walk.template operator()<Splits::kMissing>();
  }
}

}  // namespace tercet
