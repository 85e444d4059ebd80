#include <cmath>
#include <limits>

#include "compute/expression_kernel.h"
#include "compute/summation.h"
#include "compute/transformation_kind.h"

/// min_max_scaler, standard_scaler, robust_scaler and log1p, with scikit-learn's formulas down to
/// the order of operations.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Run;
using expr::Value;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

Status CheckNumbers(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {}));
  if (kind == Kind::kInt || kind == Kind::kDouble || kind == Kind::kBool || kind == Kind::kNull) {
    return Status::OK();
  }
  return Status::TypeError("takes numbers or bools, not ", expr::KindName(kind));
}

/// The finite numbers to fit on; as in scikit-learn, infinity is refused.
Result<std::vector<double>> FiniteNumbers(const ColumnValues& values) {
  std::vector<double> numbers = values.Numbers();
  if (numbers.empty()) {
    return Status::Invalid("has no value to fit on among its ", values.rows(), " training rows");
  }
  for (double number : numbers) {
    if (std::isinf(number)) {
      return Status::Invalid("has an infinite value (", number,
                             ") among its training rows; a scaler needs finite numbers");
    }
  }
  return numbers;
}

/// A width of (nearly) zero would blow up rounding errors; scikit-learn divides by 1 then.
double WidthOrOne(double width) { return width < 10 * kEpsilon ? 1 : width; }

struct Line {
  double factor;
  double offset;
};

/// x · factor + offset.
void MultiplyAdd(const Instruction& instruction, Run& run) {
  const Line line = instruction.Payload<Line>();
  const double* a = expr::In<double>(instruction, run);
  double* out = expr::Out<double>(instruction, run);
  expr::AndValidity(instruction, run, 1);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = a[i] * line.factor + line.offset;
}

/// (x − offset) ÷ factor.
void SubtractDivide(const Instruction& instruction, Run& run) {
  const Line line = instruction.Payload<Line>();
  const double* a = expr::In<double>(instruction, run);
  double* out = expr::Out<double>(instruction, run);
  expr::AndValidity(instruction, run, 1);
  for (int64_t i = 0; i < run.rows; ++i) out[i] = (a[i] - line.offset) / line.factor;
}

Result<BoundColumns> Bound(Binder& binder, expr::Kernel kernel, const Value& input,
                           const std::string& column, Line line) {
  ARROW_ASSIGN_OR_RAISE(const Value number, expr::EmitNumber(binder, input));
  return BoundColumns{
      {column, binder.Emit(kernel, expr::kDoubleType, {number}, 0, binder.Own(line))}};
}

Result<json::object> FitMinMax(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<double> numbers, FiniteNumbers(values));
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  return json::object{{"min", *least}, {"max", *most}};
}

Result<BoundColumns> BindMinMax(Binder& binder, const Value& input, const std::string& column,
                                const json::object&, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double least, NumberParameter(parameters, "min"));
  ARROW_ASSIGN_OR_RAISE(const double most, NumberParameter(parameters, "max"));
  const double factor = 1 / WidthOrOne(most - least);
  return Bound(binder, MultiplyAdd, input, column, {factor, 0 - least * factor});
}

Result<json::object> FitStandard(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<double> numbers, FiniteNumbers(values));
  const Moments moments = MomentsOf(numbers);
  // What can't be told from a constant, given the rounding of the sums, counts as one
  // (sklearn.preprocessing._data._is_constant_feature).
  const auto count = static_cast<double>(numbers.size());
  const double rounding = count * moments.mean * kEpsilon;
  const bool constant =
      moments.variance <= count * kEpsilon * moments.variance + rounding * rounding;
  return json::object{{"mean", moments.mean},
                      {"std", constant ? 0.0 : std::sqrt(moments.variance)}};
}

Result<BoundColumns> BindStandard(Binder& binder, const Value& input, const std::string& column,
                                  const json::object&, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double mean, NumberParameter(parameters, "mean"));
  ARROW_ASSIGN_OR_RAISE(const double deviation, NumberParameter(parameters, "std"));
  return Bound(binder, SubtractDivide, input, column, {deviation == 0 ? 1 : deviation, mean});
}

Result<json::object> FitRobust(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, FiniteNumbers(values));
  constexpr double kQuartiles[] = {0.25, 0.75};
  const std::vector<double> quartiles = QuantilesOf(numbers, kQuartiles);
  return json::object{{"median", MedianOf(numbers)}, {"q25", quartiles[0]}, {"q75", quartiles[1]}};
}

Result<BoundColumns> BindRobust(Binder& binder, const Value& input, const std::string& column,
                                const json::object&, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double median, NumberParameter(parameters, "median"));
  ARROW_ASSIGN_OR_RAISE(const double low, NumberParameter(parameters, "q25"));
  ARROW_ASSIGN_OR_RAISE(const double high, NumberParameter(parameters, "q75"));
  return Bound(binder, SubtractDivide, input, column, {WidthOrOne(high - low), median});
}

Result<json::object> FitNothing(const json::object&, const ColumnValues&) { return json::object{}; }

Result<BoundColumns> BindLog1p(Binder& binder, const Value& input, const std::string& column,
                               const json::object&, const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const Value number, expr::EmitNumber(binder, input));
  return BoundColumns{
      {column, binder.Emit(expr::Map1<double, double, [](double x) { return std::log1p(x); }>,
                           expr::kDoubleType, {number})}};
}

constexpr TransformationKind kKinds[] = {
    {"min_max_scaler", CheckNumbers, true, FitMinMax, BindMinMax},
    {"standard_scaler", CheckNumbers, true, FitStandard, BindStandard},
    {"robust_scaler", CheckNumbers, true, FitRobust, BindRobust},
    {"log1p", CheckNumbers, true, FitNothing, BindLog1p},
};

}  // namespace

std::span<const TransformationKind> ScalerKinds() { return kKinds; }

}  // namespace tercet
