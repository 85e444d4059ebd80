#include <charconv>
#include <cmath>

#include <arrow/type.h>

#include "base/json.h"
#include "base/short_text.h"
#include "runtime/forest_rows.h"
#include "runtime/lightgbm_forest.h"
#include "runtime/tree_model.h"

namespace tercet {
namespace {

constexpr int64_t kMaxFeatures = 1 << 20, kMaxGroups = 1 << 16;

/// How sums become predictions: LightGBM's ConvertOutput, in double (src/objective/).
struct Objective {
  enum class Link { kIdentity, kSquare, kLogistic, kExponential, kLogExponential, kSoftmax };
  Link link = Link::kIdentity;
  double sigmoid = 1;
  bool average = false;  ///< a random forest: the mean over iterations, and no link

  void Predict(double* sums, int64_t groups, int64_t iterations) const;
};

void Objective::Predict(double* sums, int64_t groups, int64_t iterations) const {
  if (average) {
    for (int64_t k = 0; k < groups; ++k) sums[k] /= static_cast<double>(iterations);
  }
  if (link == Link::kSoftmax) {
    double largest = sums[0];
    for (int64_t k = 1; k < groups; ++k) largest = std::max(largest, sums[k]);
    double total = 0;
    for (int64_t k = 0; k < groups; ++k) {
      sums[k] = std::exp(sums[k] - largest);
      total += sums[k];
    }
    for (int64_t k = 0; k < groups; ++k) sums[k] /= total;
    return;
  }
  for (int64_t k = 0; k < groups; ++k) {
    double& sum = sums[k];
    switch (link) {
      case Link::kSquare: sum = (sum > 0 ? 1 : sum < 0 ? -1 : 0) * sum * sum; break;
      case Link::kLogistic: sum = 1.0 / (1.0 + std::exp(-sigmoid * sum)); break;
      case Link::kExponential: sum = std::exp(sum); break;
      case Link::kLogExponential: sum = std::log1p(std::exp(sum)); break;
      default: break;
    }
  }
}

/// "binary sigmoid:1", "regression sqrt", "multiclass num_class:3"; none for a custom objective.
Result<Objective> ReadObjective(const LightgbmSection& header) {
  Objective objective;
  objective.average = header.Has("average_output");
  if (!header.Has("objective")) return objective;
  ARROW_ASSIGN_OR_RAISE(const auto words, header.Words("objective"));
  if (words.empty()) return objective;
  bool square_root = false;
  for (const std::string_view word : words) {
    square_root = square_root || word == "sqrt";
    if (!word.starts_with("sigmoid:")) continue;
    const std::string_view number = word.substr(8);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), objective.sigmoid);
    if (error != std::errc() || end != number.data() + number.size()) {
      return Status::IOError("corrupt LightGBM model: objective has '", ShortText(word, 40), "'");
    }
  }
  using Link = Objective::Link;
  struct Known {
    std::string_view name;
    Link link;
  };
  static constexpr Known kKnown[] = {
      {"regression", Link::kIdentity},    {"regression_l1", Link::kIdentity},
      {"huber", Link::kIdentity},         {"fair", Link::kIdentity},
      {"quantile", Link::kIdentity},      {"mape", Link::kIdentity},
      {"lambdarank", Link::kIdentity},    {"rank_xendcg", Link::kIdentity},
      {"custom", Link::kIdentity},        {"none", Link::kIdentity},
      {"poisson", Link::kExponential},    {"gamma", Link::kExponential},
      {"tweedie", Link::kExponential},    {"binary", Link::kLogistic},
      {"multiclassova", Link::kLogistic}, {"cross_entropy", Link::kLogistic},
      {"cross_entropy_lambda", Link::kLogExponential},
      {"multiclass", Link::kSoftmax},
  };
  for (const Known& known : kKnown) {
    if (known.name != words[0]) continue;
    objective.link = known.link;
    if (square_root && known.name.starts_with("regression")) objective.link = Link::kSquare;
    return objective;
  }
  return Status::NotImplemented("LightGBM objective '", ShortText(words[0]),
                                "' is not evaluated");
}

/// The words of categorical features that were trained from pandas: the file's last line has the
/// categories of each such feature in their order, "pandas_categorical:[["AA", "UA"]]". Which
/// features they are, the header's infos say: a range "[0:1]" of numeric ones, codes "0:2:1" of
/// categorical ones. Where the two differ in number, features are asked for by code.
Status ReadCategories(const LightgbmSection& header, std::string_view bytes,
                      std::vector<CategoryCodes>* categories) {
  constexpr std::string_view kKey = "\npandas_categorical:";
  const size_t at = bytes.rfind(kKey);
  if (at == std::string_view::npos || !header.Has("feature_infos")) return Status::OK();
  std::string_view text = bytes.substr(at + kKey.size());
  text = text.substr(0, text.find('\n'));
  ARROW_ASSIGN_OR_RAISE(const json::value lists, ParseJson(text));
  ARROW_ASSIGN_OR_RAISE(const auto infos, header.Words("feature_infos"));
  std::vector<size_t> features;
  for (size_t f = 0; f < std::min(infos.size(), categories->size()); ++f) {
    if (infos[f] != "none" && !infos[f].starts_with("[")) features.push_back(f);
  }
  const json::array* all = lists.if_array();
  if (all == nullptr || all->size() != features.size()) return Status::OK();
  for (size_t i = 0; i < features.size(); ++i) {
    const json::array* words = (*all)[i].if_array();
    if (words == nullptr) continue;
    CategoryCodes found;
    for (const json::value& word : *words) {
      if (!word.is_string()) break;
      found.codes.emplace(std::string(word.as_string()), static_cast<int>(found.codes.size()));
    }
    if (found.codes.size() == words->size()) (*categories)[features[i]] = std::move(found);
  }
  return Status::OK();
}

class LightgbmModel : public TreeModel {
 public:
  LightgbmModel(const std::vector<std::string_view>& names, std::vector<CategoryCodes> categories,
                int64_t groups, Objective objective, LightgbmForest forest)
      : groups_(groups),
        objective_(objective),
        forest_(std::move(forest)),
        categories_(std::move(categories)) {
    arrow::FieldVector inputs;
    for (size_t i = 0; i < names.size(); ++i) {
      inputs.push_back(arrow::field(std::string(names[i]), categories_[i].codes.empty()
                                                               ? arrow::float64()
                                                               : arrow::utf8()));
    }
    signature_.inputs = arrow::schema(std::move(inputs));
    signature_.outputs = TreeOutputs(static_cast<int>(groups), arrow::float64());
  }

  const std::vector<CategoryCodes>& categories() const override { return categories_; }
  const Signature& signature() const override { return signature_; }

  void Evaluate(const arrow::RecordBatch& features, int64_t begin, int64_t end,
                double* predictions) const override {
    const int64_t count = end - begin;
    std::fill(predictions, predictions + count * groups_, 0.0);
    AddLeavesOf(forest_, features, begin, end, categories_, groups_, predictions);
    const int64_t iterations = std::max<int64_t>(1, forest_.tree_count() / groups_);
    for (int64_t i = 0; i < count; ++i) {
      objective_.Predict(predictions + i * groups_, groups_, iterations);
    }
  }

  void EvaluateRow(std::span<const Cell> row, std::span<const arrow::Type::type> types,
                   Arena* memory, double* predictions) const override {
    const size_t columns = categories_.size();
    auto* numbers = memory->TakeArray<double>(columns);
    FillFeatureRow(row, types, categories_, numbers);
    std::fill(predictions, predictions + groups_, 0.0);
    forest_.AddLeaves(numbers, 1, static_cast<int64_t>(columns), groups_, predictions);
    objective_.Predict(predictions, groups_,
                       std::max<int64_t>(1, forest_.tree_count() / groups_));
  }

 private:
  const int64_t groups_;
  const Objective objective_;
  const LightgbmForest forest_;
  const std::vector<CategoryCodes> categories_;
  Signature signature_;
};

}  // namespace

Result<std::shared_ptr<const TreeModel>> ReadLightgbmModel(std::string_view bytes) {
  if (!bytes.starts_with("tree")) {
    return Status::IOError("this is not a LightGBM text model: it does not begin with 'tree'");
  }
  size_t at = 0;
  const LightgbmSection header = LightgbmSection::Read(bytes, &at);
  ARROW_ASSIGN_OR_RAISE(const int64_t last_feature, header.Int("max_feature_idx"));
  ARROW_ASSIGN_OR_RAISE(const int64_t groups, header.Int("num_tree_per_iteration"));
  if (last_feature < 0 || last_feature >= kMaxFeatures || groups < 1 || groups > kMaxGroups) {
    return Status::IOError("corrupt LightGBM model: ", last_feature, " is its last feature, ",
                           groups, " its trees an iteration");
  }
  ARROW_ASSIGN_OR_RAISE(const auto words, header.Words("feature_names"));
  if (static_cast<int64_t>(words.size()) != last_feature + 1) {
    return Status::IOError("corrupt LightGBM model: ", words.size(), " feature names for ",
                           last_feature + 1, " features");
  }
  ARROW_ASSIGN_OR_RAISE(const Objective objective, ReadObjective(header));

  LightgbmForest forest;
  for (;;) {
    const LightgbmSection section = LightgbmSection::Read(bytes, &at);
    if (!section.Has("Tree")) {
      // Without its last line a file was cut short.
      if (section.Has("end of trees")) break;
      return Status::IOError("corrupt LightGBM model: it ends before 'end of trees'");
    }
    const Status added = forest.AddTree(section, last_feature + 1);
    if (!added.ok()) return Explain(added, "tree " + std::to_string(forest.tree_count()));
  }
  if (forest.tree_count() % groups != 0) {
    return Status::IOError("corrupt LightGBM model: ", forest.tree_count(), " trees are not ",
                           groups, " an iteration");
  }
  forest.Prepare(last_feature + 1, groups);
  std::vector<CategoryCodes> categories(words.size());
  const Status read = ReadCategories(header, bytes, &categories);
  if (!read.ok()) return Status::IOError("corrupt LightGBM model: ", read.message());
  return std::make_shared<const LightgbmModel>(words, std::move(categories), groups, objective,
                                               std::move(forest));
}

}  // namespace tercet
