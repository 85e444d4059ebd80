#include "runtime/xgboost_forest.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tercet {
namespace {

/// Categories from here on are not valid (XGBoost's OutOfRangeCat): floats can't tell them apart.
constexpr float kMaxCategory = 16777216.0f;
/// 256 MiB of sets: a set is as large as its largest category, so a small file could ask for more
/// memory than there is.
constexpr size_t kMaxSetWords = 1 << 26;

Status Corrupt(std::string_view what) {
  return Status::IOError("corrupt XGBoost tree: ", what);
}

bool IsIndex(double number, size_t count) {
  return number >= 0 && number < static_cast<double>(count) && number == std::floor(number);
}

/// The lists of one tree, checked to be of one length.
struct TreeLists {
  const DocumentValue::Numbers *left, *right, *feature, *condition, *default_left;
  const DocumentValue::Numbers* split_type = nullptr;  ///< absent before categorical splits
  size_t count = 0;
};

Result<TreeLists> ReadLists(const DocumentValue& tree) {
  TreeLists lists;
  ARROW_ASSIGN_OR_RAISE(lists.left, tree.NumbersAt("left_children"));
  ARROW_ASSIGN_OR_RAISE(lists.right, tree.NumbersAt("right_children"));
  ARROW_ASSIGN_OR_RAISE(lists.feature, tree.NumbersAt("split_indices"));
  ARROW_ASSIGN_OR_RAISE(lists.condition, tree.NumbersAt("split_conditions"));
  ARROW_ASSIGN_OR_RAISE(lists.default_left, tree.NumbersAt("default_left"));
  lists.count = lists.left->size();
  if (tree.Find("split_type") != nullptr) {
    ARROW_ASSIGN_OR_RAISE(lists.split_type, tree.NumbersAt("split_type"));
    if (lists.split_type->empty()) lists.split_type = nullptr;
  }
  if (lists.count == 0 || lists.count > (1u << 30)) return Corrupt("it has no nodes");
  for (const DocumentValue::Numbers* list :
       {lists.right, lists.feature, lists.condition, lists.default_left}) {
    if (list->size() != lists.count) return Corrupt("its lists differ in length");
  }
  if (lists.split_type != nullptr && lists.split_type->size() != lists.count) {
    return Corrupt("its lists differ in length");
  }
  return lists;
}

/// Node → its categories as [begin, end) of the tree's "categories".
using CategoryRanges = std::vector<std::pair<size_t, size_t>>;

Result<CategoryRanges> ReadCategoryRanges(const DocumentValue& tree, size_t node_count,
                                          size_t category_count) {
  ARROW_ASSIGN_OR_RAISE(const auto* nodes, tree.NumbersAt("categories_nodes"));
  ARROW_ASSIGN_OR_RAISE(const auto* segments, tree.NumbersAt("categories_segments"));
  ARROW_ASSIGN_OR_RAISE(const auto* sizes, tree.NumbersAt("categories_sizes"));
  if (segments->size() != nodes->size() || sizes->size() != nodes->size()) {
    return Corrupt("its lists of categories differ in length");
  }
  CategoryRanges ranges(node_count);
  for (size_t i = 0; i < nodes->size(); ++i) {
    const double begin = (*segments)[i], size = (*sizes)[i];
    if (!IsIndex((*nodes)[i], node_count) || !IsIndex(begin, category_count + 1) ||
        !IsIndex(size, category_count + 1) || begin + size > static_cast<double>(category_count)) {
      return Corrupt("categories out of range");
    }
    ranges[static_cast<size_t>((*nodes)[i])] = {static_cast<size_t>(begin),
                                                static_cast<size_t>(begin + size)};
  }
  return ranges;
}

}  // namespace

Status XgboostForest::Add(const DocumentValue& model, int64_t feature_count, int64_t group_count,
                          const std::vector<double>& weights) {
  ARROW_ASSIGN_OR_RAISE(const auto* trees, model.ListAt("trees"));
  ARROW_ASSIGN_OR_RAISE(const auto* groups, model.NumbersAt("tree_info"));
  if (groups->size() != trees->size() || (!weights.empty() && weights.size() != trees->size())) {
    return Corrupt("the number of trees is not that of their groups or weights");
  }
  for (size_t i = 0; i < trees->size(); ++i) {
    if (!IsIndex((*groups)[i], static_cast<size_t>(group_count))) {
      return Corrupt("its group is out of range");
    }
    if (nodes_.size() > (1u << 30)) return Status::CapacityError("the XGBoost model is too large");
    trees_.push_back({static_cast<uint32_t>(nodes_.size()), static_cast<uint32_t>((*groups)[i])});
    const float weight = weights.empty() ? 1.0f : static_cast<float>(weights[i]);
    const Status added = AddTree((*trees)[i], feature_count, weight);
    if (!added.ok()) return Explain(added, "tree " + std::to_string(i));
  }
  Prepare();
  return Status::OK();
}

void XgboostForest::Prepare() {
  blocks_.reset();
  lanes_.reset();
  if (!BlockTrees<float>::Supported() || !sets_.empty()) return;
  std::vector<NumberTree<float>> trees;
  for (size_t t = 0; t < trees_.size(); ++t) {
    const size_t end = t + 1 < trees_.size() ? trees_[t + 1].root : nodes_.size();
    NumberTree<float>& tree = trees.emplace_back();
    tree.group = trees_[t].group;
    for (size_t i = trees_[t].root; i < end; ++i) {
      const Node& node = nodes_[i];
      if ((node.feature & kInner) == 0) {
        tree.nodes.push_back({.value = node.threshold});
        continue;
      }
      tree.nodes.push_back(
          {.left = static_cast<uint32_t>(i - trees_[t].root) + node.left,
           .split = {.feature = node.feature & kFeature,
                     .threshold = node.threshold,
                     .missing = (node.feature & kDefaultLeft) != 0 ? Missing::kLeft
                                                                   : Missing::kRight}});
    }
  }
  blocks_ = BlockTrees<float>::Make(trees);
  lanes_ = LaneTrees::Make(trees);
}

Status XgboostForest::AddTree(const DocumentValue& tree, int64_t feature_count, float weight) {
  if (tree.Find("tree_param") != nullptr) {
    const Result<int64_t> leaf_size = tree.IntAt("tree_param.size_leaf_vector");
    if (leaf_size.ok() && *leaf_size > 1) {
      return Status::NotImplemented(
          "XGBoost trees with vector leaves (multi_strategy='multi_output_tree') are not "
          "evaluated; train with multi_strategy='one_output_per_tree'");
    }
  }
  ARROW_ASSIGN_OR_RAISE(const TreeLists lists, ReadLists(tree));
  CategoryRanges ranges;
  const DocumentValue::Numbers* categories = nullptr;
  if (lists.split_type != nullptr) {
    ARROW_ASSIGN_OR_RAISE(categories, tree.NumbersAt("categories"));
    ARROW_ASSIGN_OR_RAISE(ranges, ReadCategoryRanges(tree, lists.count, categories->size()));
  }

  // Breadth first: `order[i]` is the file's number of the i-th node here. Each node is reached
  // once, or the lists are no tree; deleted nodes are never reached.
  const size_t root = nodes_.size();
  std::vector<uint32_t> order = {0};
  std::vector<bool> seen(lists.count, false);
  seen[0] = true;
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t id = order[i];
    const double left = (*lists.left)[id], right = (*lists.right)[id];
    const auto condition = static_cast<float>((*lists.condition)[id]);
    if (left == -1) {
      nodes_.push_back({condition * weight, 0, 0});
      continue;
    }
    if (!IsIndex(left, lists.count) || !IsIndex(right, lists.count) || left == right ||
        seen[static_cast<size_t>(left)] || seen[static_cast<size_t>(right)]) {
      return Corrupt("its children do not make a tree");
    }
    if (!IsIndex((*lists.feature)[id], static_cast<size_t>(feature_count))) {
      return Corrupt("a split's feature is out of range");
    }
    Node node{condition, static_cast<uint32_t>((*lists.feature)[id]) | kInner,
              static_cast<uint32_t>(order.size() - i)};
    if ((*lists.default_left)[id] != 0) node.feature |= kDefaultLeft;
    if (lists.split_type != nullptr && (*lists.split_type)[id] != 0) {
      node.feature |= kCategorical;
      node.threshold = std::bit_cast<float>(static_cast<uint32_t>(sets_.size()));
      CategorySet set{set_words_.size(), 0};
      for (size_t c = ranges[id].first; c < ranges[id].second; ++c) {
        const double category = (*categories)[c];
        if (!IsIndex(category, static_cast<size_t>(kMaxCategory))) {
          return Corrupt("a category is out of range");
        }
        const size_t word = static_cast<size_t>(category) / 32;
        set.words = std::max(set.words, word + 1);
        if (set.first_word + set.words > kMaxSetWords) {
          return Status::CapacityError("the model's sets of categories are too large");
        }
        set_words_.resize(std::max(set_words_.size(), set.first_word + set.words), 0);
        set_words_[set.first_word + word] |= 1u << (static_cast<uint32_t>(category) % 32);
      }
      sets_.push_back(set);
    }
    nodes_.push_back(node);
    for (const double child : {left, right}) {
      seen[static_cast<size_t>(child)] = true;
      order.push_back(static_cast<uint32_t>(child));
    }
  }
  return nodes_.size() - root == order.size() ? Status::OK() : Corrupt("it lost a node");
}

bool XgboostForest::GoesRight(const CategorySet& set, float value) const {
  // Unknown categories go left, as in XGBoost (common/categorical.h, Decision).
  if (!(value >= 0.0f) || value >= kMaxCategory) return false;
  const auto category = static_cast<uint32_t>(value);
  const size_t word = category / 32;
  return word < set.words && (set_words_[set.first_word + word] >> (category % 32) & 1u) != 0;
}

template <XgboostForest::Splits splits>
inline const XgboostForest::Node* XgboostForest::Next(const Node* node, const float* row) const {
  const float value = row[node->feature & kFeature];
  // Without branches: which way a row goes can't be predicted, or no tree would be needed.
  bool right = !(value < node->threshold);
  if constexpr (splits != Splits::kPlain) {
    const bool missing = value != value;
    right = (missing & ((node->feature & kDefaultLeft) == 0)) | (!missing & right);
    if constexpr (splits == Splits::kCategorical) {
      if ((node->feature & kCategorical) != 0 && !missing) {
        right = GoesRight(sets_[std::bit_cast<uint32_t>(node->threshold)], value);
      }
    }
  }
  return node + node->left + static_cast<uint32_t>(right & ((node->feature & kInner) != 0));
}

void XgboostForest::AddLeaves(const float* rows, int64_t row_count, int64_t feature_count,
                              int64_t group_count, float* margins) const {
  const WalkedRows<float> rows_of{rows, row_count, feature_count, group_count, margins};
  const auto root_of = [this](size_t tree) { return nodes_.data() + trees_[tree].root; };
  const auto group_of = [this](size_t tree) { return static_cast<size_t>(trees_[tree].group); };
  const auto walk = [&]<Splits splits>() {
    const auto next = [this](const Node* node, const float* row) {
      return Next<splits>(node, row);
    };
    WalkTrees<Node>(trees_.size(), root_of, group_of, next, rows_of);
  };
  if (row_count == 1 && lanes_ && (lanes_->takes_missing() || !rows_of.HasNan())) {
    return lanes_->AddLeaves(rows, margins);
  }
  if (!sets_.empty()) {
    walk.template operator()<Splits::kCategorical>();
  } else if (!rows_of.HasNan()) {
    walk.template operator()<Splits::kPlain>();
  } else {
    walk.template operator()<Splits::kMissing>();
  }
}

}  // namespace tercet
