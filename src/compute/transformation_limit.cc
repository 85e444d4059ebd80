#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/summation.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// winsorizer, clip and binarizer: numbers held within limits. None can be undone.
namespace tercet {
namespace {

using expr::Binder;
using expr::Kind;
using expr::Value;

struct Limits {
  double low;
  double high;
};

/// NaN stays NaN, since no comparison with it holds.
double Hold(const Limits& limits, double x) {
  return x < limits.low ? limits.low : x > limits.high ? limits.high : x;
}

Result<std::vector<Value>> BindLimits(Binder& binder, const Value& input, Limits limits) {
  ARROW_ASSIGN_OR_RAISE(const Value value, (expr::EmitOfNumber<Limits, double, Hold>(
                                               binder, input, expr::kDoubleType, limits)));
  return std::vector<Value>{value};
}

Result<Limits> WinsorizerFractions(const json::object& options) {
  Limits fractions;
  ARROW_ASSIGN_OR_RAISE(fractions.low, NumberOption(options, "lower", 0.05));
  ARROW_ASSIGN_OR_RAISE(fractions.high, NumberOption(options, "upper", 0.95));
  if (!(fractions.low >= 0 && fractions.low < fractions.high && fractions.high <= 1)) {
    return Status::Invalid("takes quantiles with 0 ≤ lower < upper ≤ 1, not ", fractions.low,
                           " and ", fractions.high);
  }
  return fractions;
}

Status CheckWinsorizer(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"lower", "upper"}));
  ARROW_RETURN_NOT_OK(WinsorizerFractions(options).status());
  return CheckNumeric(kind);
}

Result<json::object> FitWinsorizer(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const Limits fractions, WinsorizerFractions(options));
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, FiniteNumbers(values));
  const double wanted[] = {fractions.low, fractions.high};
  const std::vector<double> limits = QuantilesOf(numbers, wanted);
  return json::object{{"low", limits[0]}, {"high", limits[1]}};
}

Result<std::vector<Value>> BindWinsorizer(Binder& binder, const Value& input, const json::object&,
                                          const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double low, NumberParameter(parameters, "low"));
  ARROW_ASSIGN_OR_RAISE(const double high, NumberParameter(parameters, "high"));
  return BindLimits(binder, input, {low, high});
}

Result<Limits> ClipLimits(const json::object& options) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Limits limits;
  ARROW_ASSIGN_OR_RAISE(limits.low, NumberOption(options, "min", -kInfinity));
  ARROW_ASSIGN_OR_RAISE(limits.high, NumberOption(options, "max", kInfinity));
  if (!(limits.low <= limits.high)) {
    return Status::Invalid("takes a 'min' that is at most its 'max', not ", limits.low, " and ",
                           limits.high);
  }
  if (std::isinf(limits.low) && std::isinf(limits.high)) {
    return Status::Invalid("needs a 'min' or a 'max'");
  }
  return limits;
}

Status CheckClip(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"min", "max"}));
  ARROW_RETURN_NOT_OK(ClipLimits(options).status());
  return CheckNumeric(kind);
}

Result<std::vector<Value>> BindClip(Binder& binder, const Value& input,
                                    const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const Limits limits, ClipLimits(options));
  return BindLimits(binder, input, limits);
}

Status CheckBinarizer(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"threshold"}));
  ARROW_RETURN_NOT_OK(NumberOption(options, "threshold", 0).status());
  return CheckNumeric(kind);
}

double Above(const double& threshold, double x) {
  return std::isnan(x) ? x : x > threshold ? 1 : 0;
}

Result<std::vector<Value>> BindBinarizer(Binder& binder, const Value& input,
                                         const json::object& options, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const double threshold, NumberOption(options, "threshold", 0));
  ARROW_ASSIGN_OR_RAISE(const Value value, (expr::EmitOfNumber<double, double, Above>(
                                               binder, input, expr::kDoubleType, threshold)));
  return std::vector<Value>{value};
}

constexpr TransformationKind kKinds[] = {
    {.name = "winsorizer",
     .check = CheckWinsorizer,
     .fits_doubles = true,
     .fit = FitWinsorizer,
     .bind = BindWinsorizer},
    {.name = "clip", .check = CheckClip, .bind = BindClip},
    {.name = "binarizer", .check = CheckBinarizer, .bind = BindBinarizer},
};

}  // namespace

std::span<const TransformationKind> LimitKinds() { return kKinds; }

}  // namespace tercet
