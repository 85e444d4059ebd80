#include <cmath>

#include "compute/summation.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// min_max_scaler, max_abs_scaler, standard_scaler, robust_scaler and log1p, with scikit-learn's
/// formulas down to the order of operations.
namespace tercet {
namespace {

using expr::Binder;
using expr::Kind;
using expr::Value;


Status CheckNumbers(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {}));
  return CheckNumeric(kind);
}

struct Line {
  double factor;
  double offset;
};

/// x · factor + offset.
double MultiplyAdd(const Line& line, double x) { return x * line.factor + line.offset; }
/// (x − offset) ÷ factor: each is the other's inverse.
double SubtractDivide(const Line& line, double x) { return (x - line.offset) / line.factor; }

template <auto F>
Result<Value> Emit(Binder& binder, const Value& input, Line line) {
  return expr::EmitOfNumber<Line, double, F>(binder, input, expr::kDoubleType, line);
}

template <auto F>
Result<std::vector<Value>> Bound(Binder& binder, const Value& input, const Result<Line>& line) {
  ARROW_RETURN_NOT_OK(line.status());
  ARROW_ASSIGN_OR_RAISE(const Value value, Emit<F>(binder, input, *line));
  return std::vector<Value>{value};
}

/// A scaler that subtracts and divides.
template <auto LineOf>
Result<std::vector<Value>> BindDivide(Binder& binder, const Value& input, const json::object&,
                                      const json::object& parameters) {
  return Bound<SubtractDivide>(binder, input, LineOf(parameters));
}

template <auto LineOf>
Result<Value> UndoDivide(Binder& binder, std::span<const Value> outputs, const json::object&,
                         const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const Line line, LineOf(parameters));
  return Emit<MultiplyAdd>(binder, outputs[0], line);
}

Result<json::object> FitMinMax(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<double> numbers, FiniteNumbers(values));
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  return json::object{{"min", *least}, {"max", *most}};
}

Result<Line> MinMaxLine(const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double least, NumberParameter(parameters, "min"));
  ARROW_ASSIGN_OR_RAISE(const double most, NumberParameter(parameters, "max"));
  const double factor = 1 / WidthOrOne(most - least);
  return Line{factor, 0 - least * factor};
}

Result<std::vector<Value>> BindMinMax(Binder& binder, const Value& input, const json::object&,
                                      const json::object& parameters) {
  return Bound<MultiplyAdd>(binder, input, MinMaxLine(parameters));
}

Result<Value> UndoMinMax(Binder& binder, std::span<const Value> outputs, const json::object&,
                         const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const Line line, MinMaxLine(parameters));
  return Emit<SubtractDivide>(binder, outputs[0], line);
}

Result<json::object> FitMaxAbs(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<double> numbers, FiniteNumbers(values));
  double most = 0;
  for (double number : numbers) most = std::max(most, std::fabs(number));
  return json::object{{"max_abs", most}};
}

Result<Line> MaxAbsLine(const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double most, NumberParameter(parameters, "max_abs"));
  return Line{WidthOrOne(most), 0};
}

Result<json::object> FitStandard(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<double> numbers, FiniteNumbers(values));
  const Moments moments = MomentsOf(numbers);
  const bool constant = LooksConstant(moments, numbers.size());
  return json::object{{"mean", moments.mean},
                      {"std", constant ? 0.0 : std::sqrt(moments.variance)}};
}

Result<Line> StandardLine(const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double mean, NumberParameter(parameters, "mean"));
  ARROW_ASSIGN_OR_RAISE(const double deviation, NumberParameter(parameters, "std"));
  return Line{deviation == 0 ? 1 : deviation, mean};
}

Result<json::object> FitRobust(const json::object&, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, FiniteNumbers(values));
  constexpr double kQuartiles[] = {0.25, 0.75};
  const std::vector<double> quartiles = QuantilesOf(numbers, kQuartiles);
  return json::object{{"median", MedianOf(numbers)}, {"q25", quartiles[0]}, {"q75", quartiles[1]}};
}

Result<Line> RobustLine(const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const double median, NumberParameter(parameters, "median"));
  ARROW_ASSIGN_OR_RAISE(const double low, NumberParameter(parameters, "q25"));
  ARROW_ASSIGN_OR_RAISE(const double high, NumberParameter(parameters, "q75"));
  return Line{WidthOrOne(high - low), median};
}

template <auto F>
Result<Value> EmitFunction(Binder& binder, const Value& input) {
  ARROW_ASSIGN_OR_RAISE(const Value number, expr::EmitNumber(binder, input));
  return binder.Emit(expr::Map1<double, double, F>, expr::kDoubleType, {number});
}

Result<std::vector<Value>> BindLog1p(Binder& binder, const Value& input, const json::object&,
                                     const json::object&) {
  ARROW_ASSIGN_OR_RAISE(const Value value,
                        EmitFunction<[](double x) { return std::log1p(x); }>(binder, input));
  return std::vector<Value>{value};
}

Result<Value> UndoLog1p(Binder& binder, std::span<const Value> outputs, const json::object&,
                        const json::object&) {
  return EmitFunction<[](double x) { return std::expm1(x); }>(binder, outputs[0]);
}

constexpr TransformationKind kKinds[] = {
    {.name = "min_max_scaler",
     .check = CheckNumbers,
     .fits_doubles = true,
     .fit = FitMinMax,
     .bind = BindMinMax,
     .inverse = UndoMinMax},
    {.name = "max_abs_scaler",
     .check = CheckNumbers,
     .fits_doubles = true,
     .fit = FitMaxAbs,
     .bind = BindDivide<MaxAbsLine>,
     .inverse = UndoDivide<MaxAbsLine>},
    {.name = "standard_scaler",
     .check = CheckNumbers,
     .fits_doubles = true,
     .fit = FitStandard,
     .bind = BindDivide<StandardLine>,
     .inverse = UndoDivide<StandardLine>},
    {.name = "robust_scaler",
     .check = CheckNumbers,
     .fits_doubles = true,
     .fit = FitRobust,
     .bind = BindDivide<RobustLine>,
     .inverse = UndoDivide<RobustLine>},
    {.name = "log1p", .check = CheckNumbers, .bind = BindLog1p, .inverse = UndoLog1p},
};

}  // namespace

std::span<const TransformationKind> ScalerKinds() { return kKinds; }

}  // namespace tercet
