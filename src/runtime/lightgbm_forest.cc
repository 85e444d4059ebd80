#include "runtime/lightgbm_forest.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tercet {
namespace {

// LightGBM's tree.h: kCategoricalMask, kDefaultLeftMask, then two bits of missing type.
constexpr int64_t kCategoricalBit = 1, kDefaultLeftBit = 2;
/// LightGBM's kZeroThreshold, a float there.
constexpr double kZero = 1e-35f;
constexpr int64_t kBlockRows = 64;
constexpr int64_t kMaxLeaves = 1 << 24;

Status Corrupt(std::string_view what) {
  return Status::IOError("corrupt LightGBM tree: ", what);
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
    nodes_.push_back({values[0], 0, 0, Missing::kNone, false, false});
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
      nodes_.push_back(
          {values[static_cast<size_t>(-1 - order[i])], 0, 0, Missing::kNone, false, false});
      continue;
    }
    const auto id = static_cast<size_t>(order[i]);
    if (features[id] < 0 || features[id] >= feature_count) {
      return Corrupt("a split's feature is out of range");
    }
    const int64_t missing = (decisions[id] >> 2) & 3;
    if (decisions[id] < 0 || missing > 2) return Corrupt("a split's decision type is unknown");
    Node node{thresholds[id], static_cast<uint32_t>(features[id]),
              static_cast<uint32_t>(order.size()), static_cast<Missing>(missing),
              (decisions[id] & kDefaultLeftBit) != 0, (decisions[id] & kCategoricalBit) != 0};
    if (node.categorical) {
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

bool LightgbmForest::GoesRight(const Node& node, double value) const {
  if (node.categorical) {
    if (std::isnan(value) || !(value > -1.0) || value >= 2147483648.0) return true;
    const auto category = static_cast<uint32_t>(value);
    const CategorySet& set = sets_[static_cast<size_t>(node.threshold)];
    const size_t word = category / 32;
    return word >= set.words ||
           (set_words_[set.first_word + word] >> (category % 32) & 1u) == 0;
  }
  if (std::isnan(value)) {
    if (node.missing == Missing::kNan) return !node.default_left;
    value = 0;
  }
  if (node.missing == Missing::kZero && value >= -kZero && value <= kZero) {
    return !node.default_left;
  }
  return !(value <= node.threshold);
}

double LightgbmForest::Leaf(const Node* root, const double* row) const {
  const Node* node = root;
  while (node->left != 0) {
    node = root + node->left + (GoesRight(*node, row[node->feature]) ? 1 : 0);
  }
  return node->threshold;
}

void LightgbmForest::AddLeaves(const double* rows, int64_t row_count, int64_t feature_count,
                               int64_t group_count, double* sums) const {
  for (int64_t begin = 0; begin < row_count; begin += kBlockRows) {
    const int64_t end = std::min(row_count, begin + kBlockRows);
    int64_t group = 0;
    for (const size_t first : roots_) {
      const Node* root = nodes_.data() + first;
      for (int64_t i = begin; i < end; ++i) {
        sums[i * group_count + group] += Leaf(root, rows + i * feature_count);
      }
      group = group + 1 == group_count ? 0 : group + 1;
    }
  }
}

}  // namespace tercet
