#include <cmath>

#include "base/short_text.h"
#include "compute/category_codes.h"
#include "compute/summation.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// target_encoder: a category becomes the mean label of its training rows, shrunk towards the mean
/// of all (Micci-Barreca 2001), with scikit-learn's formulas. training/cross_fit.h encodes the
/// training rows themselves out of fold.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Run;
using expr::Value;

Status CheckTarget(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(
      CheckOptionNames(options, {"target", "smooth", "folds", "shuffle"}));
  ARROW_RETURN_NOT_OK(FindString(options, "target").status());
  ARROW_RETURN_NOT_OK(FindBool(options, "shuffle").status());
  ARROW_RETURN_NOT_OK(CountOption(options, "folds", 5, 2, 1000).status());
  if (const json::value* smooth = options.if_contains("smooth")) {
    const bool is_auto = smooth->is_string() && smooth->get_string() == "auto";
    if (!is_auto && !(smooth->is_number() && smooth->to_number<double>() >= 0)) {
      return Status::Invalid("takes 'smooth' as 'auto' or a number ≥ 0, not ",
                             ShortText(ToText(*smooth)));
    }
  }
  return CheckCategorical(kind);
}

/// What is known of one category's labels.
struct Labels {
  double sum = 0;
  double count = 0;
  double squares = 0;  ///< of the distances from their mean
};

Result<json::object> FitTarget(const json::object& options, const ColumnValues& values,
                               const std::vector<double>& target) {
  // Rows without a label say nothing of any category.
  std::vector<double> known;
  for (double label : target) {
    if (std::isinf(label)) return Status::Invalid("is fitted to a label that has infinite values");
    if (!std::isnan(label)) known.push_back(label);
  }
  if (known.empty()) {
    return Status::Invalid("has no label to fit to among its ", values.rows(), " training rows");
  }
  const Moments all = MomentsOf(known);
  ARROW_ASSIGN_OR_RAISE(const auto counts, CountCategories(values));
  json::array categories;
  for (const auto& [category, count] : counts) categories.push_back(category);
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> codes, CodesOf(values, categories));

  std::vector<Labels> labels(categories.size());
  const auto each = [&](const auto& add) {
    for (size_t row = 0; row < codes.size(); ++row) {
      if (codes[row] >= 0 && !std::isnan(target[row])) {
        add(labels[static_cast<size_t>(codes[row])], target[row]);
      }
    }
  };
  each([](Labels& of, double label) {
    of.sum += label;
    of.count += 1;
  });
  each([](Labels& of, double label) {
    const double distance = label - of.sum / of.count;
    of.squares += distance * distance;
  });

  const json::value* smooth = options.if_contains("smooth");
  json::array encodings;
  for (const Labels& of : labels) {
    double encoding = all.mean;
    if (smooth != nullptr && smooth->is_number()) {
      const auto weight = smooth->to_number<double>();
      const double count = of.count + weight;
      if (count > 0) encoding = (weight * all.mean + of.sum) / count;
    } else if (of.count > 0) {
      const double spread = all.variance * of.count;
      const double share = spread / (spread + of.squares / of.count);
      if (!std::isnan(share)) encoding = share * (of.sum / of.count) + (1 - share) * all.mean;
    }
    encodings.emplace_back(encoding);
  }
  return json::object{{"categories", std::move(categories)},
                      {"encodings", std::move(encodings)},
                      {"mean", all.mean}};
}

/// The payload where there is null.
void FillNumber(const Instruction& instruction, Run& run) {
  const double* a = expr::In<double>(instruction, run);
  const expr::Register& in = run.registers[instruction.in[0]];
  double* out = expr::Out<double>(instruction, run);
  run.registers[instruction.out].has_nulls = false;
  const auto& fill = instruction.Payload<double>();
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = in.has_nulls && in.valid[i] == 0 ? fill : a[i];
  }
}

/// Null and what was not seen are the mean of all labels.
Result<std::vector<Value>> BindTarget(Binder& binder, const Value& input, const json::object&,
                                      const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const json::array categories,
                        CategoriesParameter(parameters, "categories"));
  ARROW_ASSIGN_OR_RAISE(std::vector<double> encodings, NumbersParameter(parameters, "encodings"));
  ARROW_ASSIGN_OR_RAISE(const double mean, NumberParameter(parameters, "mean"));
  if (encodings.size() != categories.size()) {
    return Status::Invalid("has not as many fitted 'encodings' as 'categories'");
  }
  ARROW_ASSIGN_OR_RAISE(const Value code, EmitCodes(binder, input, categories));
  const Value encoded = EmitTable(binder, code, std::move(encodings), mean);
  return std::vector<Value>{
      binder.Emit(FillNumber, expr::kDoubleType, {encoded}, 0, binder.Own(mean))};
}

constexpr TransformationKind kKinds[] = {
    {.name = "target_encoder", .check = CheckTarget, .fit_to_target = FitTarget,
     .bind = BindTarget},
};

}  // namespace

std::span<const TransformationKind> TargetKinds() { return kKinds; }

}  // namespace tercet
