#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/normal_distribution.h"
#include "compute/summation.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// quantile_transformer and rank: a number becomes its place among the training values.
namespace tercet {
namespace {

using expr::Binder;
using expr::Kind;
using expr::Value;

/// A curve through points; x and y ascend, and x may repeat.
struct Curve {
  std::vector<double> x;
  std::vector<double> y;
};

/// Linear between (x[k], y[k]) and the next point, as numpy.interp.
double Between(const Curve& curve, size_t k, double x) {
  const double slope = (curve.y[k + 1] - curve.y[k]) / (curve.x[k + 1] - curve.x[k]);
  return slope * (x - curve.x[k]) + curve.y[k];
}

/// Where x repeats, the mean of the first y and the last: the middle of a run of equal values.
double Follow(const Curve& curve, double x) {
  if (std::isnan(x)) return x;
  if (x < curve.x.front()) return curve.y.front();
  if (x > curve.x.back()) return curve.y.back();
  const auto first = std::lower_bound(curve.x.begin(), curve.x.end(), x);
  const auto k = static_cast<size_t>(first - curve.x.begin());
  if (*first != x) return Between(curve, k - 1, x);
  const auto last = std::upper_bound(first, curve.x.end(), x) - 1;
  return 0.5 * (curve.y[k] + curve.y[static_cast<size_t>(last - curve.x.begin())]);
}

/// scikit-learn's distance from the ends, beyond which a normal output is cut off.
constexpr double kThreshold = 1e-7;
/// Of 1e-7 − the spacing of 1, and of what is as far below 1.
constexpr double kLeastNormal = -5.199337582605575;
constexpr double kMostNormal = 5.19933758270342;

/// The ends are 0 and 1 also where values repeat there.
double ToUniform(const Curve& curve, double x) {
  if (x <= curve.x.front()) return curve.y.front();
  if (x >= curve.x.back()) return curve.y.back();
  return Follow(curve, x);
}

double ToNormal(const Curve& curve, double x) {
  if (std::isnan(x)) return x;
  if (x - kThreshold < curve.x.front()) return kLeastNormal;
  if (x + kThreshold > curve.x.back()) return kMostNormal;
  return std::clamp(NormalQuantile(Follow(curve, x)), kLeastNormal, kMostNormal);
}

/// `curve` is the other way round here: from shares to values.
double FromUniform(const Curve& curve, double share) { return Follow(curve, share); }

double FromNormal(const Curve& curve, double x) {
  if (std::isnan(x)) return x;
  const double share = NormalProbability(x);
  if (share - kThreshold < 0) return curve.y.front();
  if (share + kThreshold > 1) return curve.y.back();
  return Follow(curve, share);
}

constexpr int64_t kMaxQuantiles = 100'000;

Status CheckQuantile(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"n_quantiles", "output"}));
  ARROW_RETURN_NOT_OK(CountOption(options, "n_quantiles", 1000, 2, kMaxQuantiles).status());
  ARROW_RETURN_NOT_OK(WordOption(options, "output", {"uniform", "normal"}).status());
  return CheckNumeric(kind);
}

/// 0 … 1 in equal steps, as numpy.linspace.
std::vector<double> Shares(size_t count) {
  std::vector<double> shares(count, 0);
  const double step = count > 1 ? 1 / static_cast<double>(count - 1) : 0;
  for (size_t k = 0; k < count; ++k) shares[k] = static_cast<double>(k) * step;
  shares.back() = count > 1 ? 1 : 0;
  return shares;
}

Result<json::object> FitQuantile(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const int64_t wanted,
                        CountOption(options, "n_quantiles", 1000, 2, kMaxQuantiles));
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, FiniteNumbers(values));
  // As in scikit-learn, rows without a value count here.
  const auto count = static_cast<size_t>(std::min(wanted, values.rows()));
  std::vector<double> quantiles = QuantilesOf(numbers, Shares(count));
  // Interpolation may round a step down.
  for (size_t k = 1; k < count; ++k) quantiles[k] = std::max(quantiles[k], quantiles[k - 1]);
  return json::object{{"quantiles", json::array(quantiles.begin(), quantiles.end())}};
}

Result<std::vector<double>> Ascending(const json::object& parameters, std::string_view name) {
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, NumbersParameter(parameters, name));
  if (!std::is_sorted(numbers.begin(), numbers.end())) {
    return Status::Invalid("has fitted '", name, "' that do not ascend");
  }
  return numbers;
}

template <auto F>
Result<Value> EmitCurve(Binder& binder, const Value& input, Curve curve) {
  return expr::EmitOfNumber<Curve, double, F>(binder, input, expr::kDoubleType, std::move(curve));
}

Result<std::vector<Value>> BindQuantile(Binder& binder, const Value& input,
                                        const json::object& options,
                                        const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const auto output, WordOption(options, "output", {"uniform", "normal"}));
  Curve curve;
  ARROW_ASSIGN_OR_RAISE(curve.x, Ascending(parameters, "quantiles"));
  curve.y = Shares(curve.x.size());
  ARROW_ASSIGN_OR_RAISE(const Value value,
                        output == "normal" ? EmitCurve<ToNormal>(binder, input, curve)
                                           : EmitCurve<ToUniform>(binder, input, curve));
  return std::vector<Value>{value};
}

Result<Value> UndoQuantile(Binder& binder, std::span<const Value> outputs,
                           const json::object& options, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const auto output, WordOption(options, "output", {"uniform", "normal"}));
  Curve curve;
  ARROW_ASSIGN_OR_RAISE(curve.y, Ascending(parameters, "quantiles"));
  curve.x = Shares(curve.y.size());
  return output == "normal" ? EmitCurve<FromNormal>(binder, outputs[0], curve)
                            : EmitCurve<FromUniform>(binder, outputs[0], curve);
}

Status CheckRank(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {}));
  return CheckNumeric(kind);
}

/// Beyond this, ranks between kept values are interpolated: off by at most one in as many.
constexpr size_t kMaxRanks = 10'000;

/// A value's rank is the mean rank of its equals, as pandas' rank(pct=True).
Result<json::object> FitRank(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, FiniteNumbers(values));
  std::sort(numbers.begin(), numbers.end());
  const auto count = static_cast<double>(numbers.size());
  Curve all;
  for (size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    while (end < numbers.size() && numbers[end] == numbers[begin]) ++end;
    all.x.push_back(numbers[begin]);
    all.y.push_back((static_cast<double>(begin + end) + 1) / 2 / count);
  }
  json::array kept, ranks;
  const size_t keep = std::min(kMaxRanks, all.x.size());
  for (size_t k = 0; k < keep; ++k) {
    const size_t at = keep == 1 ? 0 : k * (all.x.size() - 1) / (keep - 1);
    kept.emplace_back(all.x[at]);
    ranks.emplace_back(all.y[at]);
  }
  return json::object{{"values", std::move(kept)}, {"ranks", std::move(ranks)}};
}

Result<Curve> RankCurve(const json::object& parameters) {
  Curve curve;
  ARROW_ASSIGN_OR_RAISE(curve.x, Ascending(parameters, "values"));
  ARROW_ASSIGN_OR_RAISE(curve.y, Ascending(parameters, "ranks"));
  if (curve.x.size() != curve.y.size()) {
    return Status::Invalid("has ", curve.x.size(), " fitted 'values' and ", curve.y.size(),
                           " 'ranks'");
  }
  return curve;
}

Result<std::vector<Value>> BindRank(Binder& binder, const Value& input, const json::object&,
                                    const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const Curve curve, RankCurve(parameters));
  ARROW_ASSIGN_OR_RAISE(const Value value, EmitCurve<Follow>(binder, input, curve));
  return std::vector<Value>{value};
}

Result<Value> UndoRank(Binder& binder, std::span<const Value> outputs, const json::object&,
                       const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const Curve curve, RankCurve(parameters));
  return EmitCurve<Follow>(binder, outputs[0], {curve.y, curve.x});
}

constexpr TransformationKind kKinds[] = {
    {.name = "quantile_transformer",
     .check = CheckQuantile,
     .fits_doubles = true,
     .fit = FitQuantile,
     .bind = BindQuantile,
     .inverse = UndoQuantile},
    {.name = "rank",
     .check = CheckRank,
     .fits_doubles = true,
     .fit = FitRank,
     .bind = BindRank,
     .inverse = UndoRank},
};

}  // namespace

std::span<const TransformationKind> DistributionKinds() { return kKinds; }

}  // namespace tercet
