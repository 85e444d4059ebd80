#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace tercet {

/// One decision: `below` where the feature is less than the threshold, `above` where it is not;
/// `missing` goes with `below`.
struct Stump {
  int feature = 0;
  double threshold = 0, below = 0, above = 0;
};

/// An XGBoost model file, for tests: the sum of decisions, as regression without a base score.
inline std::string StumpModel(const std::vector<std::string>& features,
                              const std::vector<Stump>& stumps) {
  const std::string count = std::to_string(features.size());
  json::array trees, tree_info, iterations{0};
  for (const Stump& stump : stumps) {
    const int id = static_cast<int>(trees.size());
    trees.push_back(json::object{
        {"base_weights", {0.5, stump.below, stump.above}},
        {"categories", json::array()},
        {"categories_nodes", json::array()},
        {"categories_segments", json::array()},
        {"categories_sizes", json::array()},
        {"default_left", {1, 0, 0}},
        {"id", id},
        {"left_children", {1, -1, -1}},
        {"loss_changes", {1.5, 0.0, 0.0}},
        {"parents", {2147483647, 0, 0}},
        {"right_children", {2, -1, -1}},
        {"split_conditions", {stump.threshold, stump.below, stump.above}},
        {"split_indices", {stump.feature, 0, 0}},
        {"split_type", {0, 0, 0}},
        {"sum_hessian", {2.5, 1.5, 1.5}},
        {"tree_param", {{"num_deleted", "0"}, {"num_feature", count}, {"num_nodes", "3"},
                        {"size_leaf_vector", "1"}}}});
    tree_info.push_back(0);
    iterations.push_back(id + 1);
  }
  const std::string tree_count = std::to_string(stumps.size());
  const json::object model{
      {"gbtree_model_param", {{"num_parallel_tree", "1"}, {"num_trees", tree_count}}},
      {"iteration_indptr", iterations},
      {"tree_info", tree_info},
      {"trees", trees}};
  return ToText(json::object{
      {"learner",
       {{"attributes", json::object()},
        {"feature_names", ToJsonArray(features)},
        {"feature_types", json::array()},
        {"gradient_booster", {{"model", model}, {"name", "gbtree"}}},
        {"learner_model_param", {{"base_score", "[0E0]"}, {"boost_from_average", "0"},
                                 {"num_class", "0"}, {"num_feature", count},
                                 {"num_target", "1"}}},
        {"objective", {{"name", "reg:squarederror"},
                       {"reg_loss_param", {{"scale_pos_weight", "1"}}}}}}},
      {"version", {3, 2, 0}}});
}

}  // namespace tercet
