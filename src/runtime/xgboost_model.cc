#include <arrow/type.h>

#include "base/short_text.h"
#include "runtime/forest_rows.h"
#include "runtime/tree_model.h"
#include "runtime/xgboost_forest.h"
#include "runtime/xgboost_objective.h"

namespace tercet {
namespace {

/// Features a model may have; XGBoost's own practice is far below.
constexpr int64_t kMaxFeatures = 1 << 20, kMaxGroups = 1 << 16;

/// What stands in front of the trees, from "learner".
struct Header {
  int64_t feature_count = 0;
  int64_t group_count = 1;
  std::vector<float> base_margins;  ///< one a group
  std::vector<std::string> feature_names;
  std::vector<CategoryCodes> categories;
};

/// "5E-1", or since XGBoost 3.1 "[5E-1]" with one number or one a class.
Result<std::vector<float>> ReadBaseScores(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const DocumentValue value, ParseModelJson(text));
  if (const double* number = value.number()) return std::vector<float>{static_cast<float>(*number)};
  const DocumentValue::Numbers* numbers = value.numbers();
  if (numbers == nullptr) {
    return Status::IOError("the model's base score '", ShortText(text), "' is not a number");
  }
  return std::vector<float>(numbers->begin(), numbers->end());
}

/// Since XGBoost 3.1 "cats" keeps the words of categorical features: "enc" has, a feature, the
/// bytes of all words and where each begins. Numbers as categories are their own codes.
Status ReadCategories(const DocumentValue& model, std::vector<CategoryCodes>* categories) {
  if (model.Find("cats") == nullptr) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto* features, model.ListAt("cats.enc"));
  if (features->size() > categories->size()) {
    return Status::IOError("the model has categories of ", features->size(), " features, and ",
                           categories->size(), " features");
  }
  for (size_t f = 0; f < features->size(); ++f) {
    if ((*features)[f].Find("offsets") == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(const auto* offsets, (*features)[f].NumbersAt("offsets"));
    ARROW_ASSIGN_OR_RAISE(const auto* bytes, (*features)[f].NumbersAt("values"));
    if (!offsets->empty() && offsets->back() != static_cast<double>(bytes->size())) {
      return Status::NotImplemented("the model's categories of feature ", f, " are damaged: ",
                                    "XGBoost 3.2 writes words that are not ASCII wrong; use codes");
    }
    for (size_t i = 0; i + 1 < offsets->size(); ++i) {
      const double begin = (*offsets)[i], end = (*offsets)[i + 1];
      if (!(begin >= 0 && begin <= end && end <= static_cast<double>(bytes->size()))) {
        return Status::IOError("the model's categories of feature ", f, " are out of range");
      }
      std::string word;
      for (auto b = static_cast<size_t>(begin); b < static_cast<size_t>(end); ++b) {
        word += static_cast<char>(static_cast<int>((*bytes)[b]));
      }
      (*categories)[f].codes.emplace(std::move(word), static_cast<int>(i));
    }
  }
  return Status::OK();
}

Result<Header> ReadHeader(const DocumentValue& learner, const XgboostObjective& objective) {
  Header header;
  ARROW_ASSIGN_OR_RAISE(header.feature_count, learner.IntAt("learner_model_param.num_feature"));
  ARROW_ASSIGN_OR_RAISE(const int64_t classes, learner.IntAt("learner_model_param.num_class"));
  if (learner.At("learner_model_param.num_target").ok()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t targets, learner.IntAt("learner_model_param.num_target"));
    if (targets > 1) {
      return Status::NotImplemented("XGBoost models with ", targets,
                                    " targets are not evaluated; train one model a target");
    }
  }
  header.group_count = std::max<int64_t>(1, classes);
  if (header.feature_count < 1 || header.feature_count > kMaxFeatures || classes < 0 ||
      header.group_count > kMaxGroups) {
    return Status::IOError("corrupt XGBoost model: ", header.feature_count, " features, ", classes,
                           " classes");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string base_text,
                        learner.TextAt("learner_model_param.base_score"));
  ARROW_ASSIGN_OR_RAISE(std::vector<float> scores, ReadBaseScores(base_text));
  if (scores.size() == 1) scores.resize(static_cast<size_t>(header.group_count), scores[0]);
  if (static_cast<int64_t>(scores.size()) != header.group_count) {
    return Status::IOError("corrupt XGBoost model: ", scores.size(), " base scores for ",
                           header.group_count, " classes");
  }
  for (const float score : scores) header.base_margins.push_back(objective.BaseMargin(score));

  const auto features = static_cast<size_t>(header.feature_count);
  if (learner.Find("feature_names") != nullptr) {
    ARROW_ASSIGN_OR_RAISE(header.feature_names, learner.TextsAt("feature_names"));
  }
  if (header.feature_names.empty()) {
    for (size_t i = 0; i < features; ++i) header.feature_names.push_back("f" + std::to_string(i));
  }
  if (header.feature_names.size() != features) {
    return Status::IOError("corrupt XGBoost model: ", header.feature_names.size(),
                           " feature names for ", features, " features");
  }
  header.categories.resize(features);
  return header;
}

class XgboostModel : public TreeModel {
 public:
  XgboostModel(Header header, XgboostObjective objective, XgboostForest forest)
      : header_(std::move(header)), objective_(objective), forest_(std::move(forest)) {
    arrow::FieldVector inputs;
    for (size_t i = 0; i < header_.feature_names.size(); ++i) {
      inputs.push_back(arrow::field(header_.feature_names[i],
                                    header_.categories[i].codes.empty() ? arrow::float32()
                                                                        : arrow::utf8()));
    }
    signature_.inputs = arrow::schema(std::move(inputs));
    signature_.outputs = TreeOutputs(static_cast<int>(objective_.OutputCount(header_.group_count)),
                                     arrow::float32());
  }

  const std::vector<CategoryCodes>& categories() const override { return header_.categories; }
  const Signature& signature() const override { return signature_; }

  void Evaluate(const arrow::RecordBatch& features, int64_t begin, int64_t end,
                double* predictions) const override {
    const int64_t count = end - begin, groups = header_.group_count;
    std::vector<float> margins;
    margins.reserve(static_cast<size_t>(count * groups));
    for (int64_t i = 0; i < count; ++i) {
      margins.insert(margins.end(), header_.base_margins.begin(), header_.base_margins.end());
    }
    AddLeavesOf(forest_, features, begin, end, header_.categories, groups, margins.data());
    const int64_t outputs = objective_.OutputCount(groups);
    for (int64_t i = 0; i < count; ++i) {
      objective_.Predict(margins.data() + i * groups, groups, predictions + i * outputs);
    }
  }

  void EvaluateRow(std::span<const Cell> row, std::span<const arrow::Type::type> types,
                   Arena* memory, double* predictions) const override {
    const size_t columns = header_.categories.size();
    auto* numbers = memory->TakeArray<float>(columns);
    FillFeatureRow(row, types, header_.categories, numbers);
    auto* margins = memory->TakeArray<float>(header_.base_margins.size());
    std::copy(header_.base_margins.begin(), header_.base_margins.end(), margins);
    forest_.AddLeaves(numbers, 1, header_.feature_count, header_.group_count, margins);
    objective_.Predict(margins, header_.group_count, predictions);
  }

 private:
  const Header header_;
  const XgboostObjective objective_;
  const XgboostForest forest_;
  Signature signature_;
};

}  // namespace

Result<std::shared_ptr<const TreeModel>> ReadXgboostModel(std::string_view bytes, bool ubjson) {
  ARROW_ASSIGN_OR_RAISE(const DocumentValue document,
                        ubjson ? ParseModelUbjson(bytes) : ParseModelJson(bytes));
  ARROW_ASSIGN_OR_RAISE(const DocumentValue* learner, document.At("learner"));
  ARROW_ASSIGN_OR_RAISE(const std::string objective_name, learner->TextAt("objective.name"));
  ARROW_ASSIGN_OR_RAISE(const XgboostObjective objective,
                        XgboostObjective::FromName(objective_name));
  ARROW_ASSIGN_OR_RAISE(Header header, ReadHeader(*learner, objective));

  ARROW_ASSIGN_OR_RAISE(const DocumentValue* booster, learner->At("gradient_booster"));
  ARROW_ASSIGN_OR_RAISE(const std::string booster_name, booster->TextAt("name"));
  std::vector<double> weights;
  if (booster_name == "dart") {
    ARROW_ASSIGN_OR_RAISE(const auto* drops, booster->NumbersAt("weight_drop"));
    weights = *drops;
    ARROW_ASSIGN_OR_RAISE(booster, booster->At("gbtree"));
  } else if (booster_name != "gbtree") {
    return Status::NotImplemented("XGBoost booster '", ShortText(booster_name),
                                  "' is not evaluated; train with 'gbtree' or 'dart'");
  }
  ARROW_ASSIGN_OR_RAISE(const DocumentValue* model, booster->At("model"));
  ARROW_ASSIGN_OR_RAISE(const auto* trees, model->ListAt("trees"));
  if (trees->empty()) {
    // XGBoost answers for such a model with a base score that it has not made a margin of.
    return Status::NotImplemented("the XGBoost model has no trees; train it for a round at least");
  }
  ARROW_RETURN_NOT_OK(ReadCategories(*model, &header.categories));
  XgboostForest forest;
  ARROW_RETURN_NOT_OK(forest.Add(*model, header.feature_count, header.group_count, weights));
  return std::make_shared<const XgboostModel>(std::move(header), objective, std::move(forest));
}

}  // namespace tercet
