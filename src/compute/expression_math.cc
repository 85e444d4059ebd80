#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>

#include "compute/expression_binder.h"
#include "compute/expression_kernel.h"

/// Functions of numbers. Those of the C math library are called value by value, so that they give
/// the same bits for any number of rows.
namespace tercet::expr {
namespace {

/// A function of doubles; int64 is promoted.
template <auto F>
Result<Value> BindDouble(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsDouble(arguments[0]));
  return binder.Emit(Map1<double, double, F>, kDoubleType, {a});
}

template <auto F>
Result<Value> BindDouble2(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsDouble(arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const Value b, binder.AsDouble(arguments[1]));
  return binder.Emit(Map2<double, double, double, F>, kDoubleType, {a, b});
}

template <auto F>
Result<Value> BindTest(Binder& binder, const Node&, std::span<Value> arguments) {
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsDouble(arguments[0]));
  return binder.Emit(Map1<double, Bool, F>, kBoolType, {a});
}

/// floor, ceil and the like leave integers as they are.
template <auto F>
Result<Value> BindWhole(Binder& binder, const Node& node, std::span<Value> arguments) {
  if (arguments[0].is(Kind::kInt)) return arguments[0];
  return BindDouble<F>(binder, node, arguments);
}

/// Half away from zero, as SQL rounds.
double RoundTo(double x, int64_t digits) {
  if (!std::isfinite(x)) return x;
  const double scale = std::pow(10.0, static_cast<double>(std::clamp<int64_t>(digits, -310, 310)));
  const double scaled = x * scale;
  // All digits of a number too large to scale are before those asked for.
  if (!std::isfinite(scaled)) return x;
  return scale == 0 ? std::copysign(0.0, x) : std::round(scaled) / scale;
}

Result<Value> BindRound(Binder& binder, const Node& node, std::span<Value> arguments) {
  if (arguments.size() == 1) {
    return BindWhole<[](double x) { return std::round(x); }>(binder, node, arguments);
  }
  ARROW_ASSIGN_OR_RAISE(const Value a, binder.AsDouble(arguments[0]));
  ARROW_ASSIGN_OR_RAISE(const Value digits,
                        binder.AsKind(arguments[1], Kind::kInt, "an int64 of digits"));
  return binder.Emit(Map2<double, int64_t, double, RoundTo>, kDoubleType, {a, digits});
}

Result<Value> BindAbs(Binder& binder, const Node& node, std::span<Value> arguments) {
  if (arguments[0].is(Kind::kInt)) {
    return binder.Emit(TryMap1<int64_t, int64_t,
                               [](int64_t x, int64_t* out) {
                                 if (x == std::numeric_limits<int64_t>::min()) return false;
                                 *out = x < 0 ? -x : x;
                                 return true;
                               }>,
                       kIntType, {arguments[0]});
  }
  return BindDouble<[](double x) { return std::fabs(x); }>(binder, node, arguments);
}

Result<Value> BindSign(Binder& binder, const Node& node, std::span<Value> arguments) {
  if (arguments[0].is(Kind::kInt)) {
    return binder.Emit(
        Map1<int64_t, int64_t, [](int64_t x) { return static_cast<int64_t>(x > 0) - (x < 0); }>,
        kIntType, {arguments[0]});
  }
  return BindDouble<[](double x) {
    return std::isnan(x) ? x : static_cast<double>(x > 0) - static_cast<double>(x < 0);
  }>(binder, node, arguments);
}

Result<Value> BindPi(Binder& binder, const Node&, std::span<Value>) {
  return binder.Constant(kDoubleType, {.valid = true, .number = std::numbers::pi});
}

/// The bounds win over x, the upper one over the lower; NaN stays NaN.
template <typename T>
void Clip(const Instruction& instruction, Run& run) {
  const T* x = In<T>(instruction, run, 0);
  const T* low = In<T>(instruction, run, 1);
  const T* high = In<T>(instruction, run, 2);
  T* out = Out<T>(instruction, run);
  AndValidity(instruction, run, 3);
  for (int64_t i = 0; i < run.rows; ++i) {
    const T raised = x[i] < low[i] ? low[i] : x[i];
    out[i] = raised > high[i] ? high[i] : raised;
  }
}

Result<Value> BindClip(Binder& binder, const Node&, std::span<Value> arguments) {
  for (const Value& argument : arguments) {
    if (!argument.is_number() && !argument.is(Kind::kNull)) {
      return binder.Mismatch("numbers", argument);
    }
  }
  ARROW_ASSIGN_OR_RAISE(ValueType common, binder.Unify(arguments));
  if (common.kind == Kind::kNull) return binder.Null(kDoubleType);
  return binder.Emit(common.kind == Kind::kInt ? Clip<int64_t> : Clip<double>, common,
                     {arguments[0], arguments[1], arguments[2]});
}

constexpr Function kFunctions[] = {
    {"abs", 1, 1, BindAbs},
    {"sign", 1, 1, BindSign},
    {"floor", 1, 1, BindWhole<[](double x) { return std::floor(x); }>},
    {"ceil", 1, 1, BindWhole<[](double x) { return std::ceil(x); }>},
    {"round", 1, 2, BindRound},
    {"clip", 3, 3, BindClip},
    {"sqrt", 1, 1, BindDouble<[](double x) { return std::sqrt(x); }>},
    {"exp", 1, 1, BindDouble<[](double x) { return std::exp(x); }>},
    {"expm1", 1, 1, BindDouble<[](double x) { return std::expm1(x); }>},
    {"ln", 1, 1, BindDouble<[](double x) { return std::log(x); }>},
    {"log", 1, 1, BindDouble<[](double x) { return std::log(x); }>},
    {"log2", 1, 1, BindDouble<[](double x) { return std::log2(x); }>},
    {"log10", 1, 1, BindDouble<[](double x) { return std::log10(x); }>},
    {"log1p", 1, 1, BindDouble<[](double x) { return std::log1p(x); }>},
    {"pow", 2, 2, BindDouble2<[](double x, double y) { return std::pow(x, y); }>},
    {"power", 2, 2, BindDouble2<[](double x, double y) { return std::pow(x, y); }>},
    {"**", 2, 2, BindDouble2<[](double x, double y) { return std::pow(x, y); }>},
    {"sin", 1, 1, BindDouble<[](double x) { return std::sin(x); }>},
    {"cos", 1, 1, BindDouble<[](double x) { return std::cos(x); }>},
    {"tan", 1, 1, BindDouble<[](double x) { return std::tan(x); }>},
    {"asin", 1, 1, BindDouble<[](double x) { return std::asin(x); }>},
    {"acos", 1, 1, BindDouble<[](double x) { return std::acos(x); }>},
    {"atan", 1, 1, BindDouble<[](double x) { return std::atan(x); }>},
    {"atan2", 2, 2, BindDouble2<[](double y, double x) { return std::atan2(y, x); }>},
    {"radians", 1, 1, BindDouble<[](double x) { return x * (std::numbers::pi / 180); }>},
    {"pi", 0, 0, BindPi},
    {"is_nan", 1, 1, BindTest<[](double x) { return static_cast<Bool>(std::isnan(x)); }>},
    {"is_finite", 1, 1, BindTest<[](double x) { return static_cast<Bool>(std::isfinite(x)); }>},
};

}  // namespace

std::span<const Function> MathFunctions() { return kFunctions; }

}  // namespace tercet::expr
