#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "compute/summation.h"
#include "compute/transformation_kernel.h"
#include "compute/transformation_kind.h"

/// power_transformer: Yeo-Johnson (2000) or Box-Cox (1964) with the exponent of greatest
/// likelihood, then (by default) mean 0 and standard deviation 1.
namespace tercet {
namespace {

using expr::Binder;
using expr::Kind;
using expr::Value;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// More numbers than this do not change an exponent that anybody would notice; the likelihood is
/// taken of as many, evenly spaced.
constexpr size_t kMaxFitted = 1'000'000;

struct Power {
  double lambda = 1;
  double mean = 0;
  double deviation = 1;
};

/// (e^(λ·log) − 1) ÷ λ, which is ((exp log)^λ − 1) ÷ λ without cancellation; log for λ = 0.
double Raise(double lambda, double log) {
  return std::fabs(lambda) < kEpsilon ? log : std::expm1(lambda * log) / lambda;
}

/// The log that Raise made y of.
double Lower(double lambda, double y) {
  return std::fabs(lambda) < kEpsilon ? y : std::log1p(lambda * y) / lambda;
}

double YeoJohnson(double lambda, double x) {
  return x >= 0 ? Raise(lambda, std::log1p(x)) : -Raise(2 - lambda, std::log1p(-x));
}

double BoxCox(double lambda, double x) { return Raise(lambda, std::log(x)); }

double ApplyYeoJohnson(const Power& power, double x) {
  return (YeoJohnson(power.lambda, x) - power.mean) / power.deviation;
}
double ApplyBoxCox(const Power& power, double x) {
  return (BoxCox(power.lambda, x) - power.mean) / power.deviation;
}
double UndoYeoJohnson(const Power& power, double y) {
  y = y * power.deviation + power.mean;
  return y >= 0 ? std::expm1(Lower(power.lambda, y)) : -std::expm1(Lower(2 - power.lambda, -y));
}
double UndoBoxCox(const Power& power, double y) {
  return std::exp(Lower(power.lambda, y * power.deviation + power.mean));
}

/// The x in [low, high] of the least value of a function with one minimum: golden sections and
/// parabolas (Brent 1973, chapter 5).
double Minimize(double low, double high, const std::function<double(double)>& value) {
  const double golden = 0.5 * (3 - std::sqrt(5.0));
  constexpr double kTolerance = 1.48e-8;
  double x = low + golden * (high - low), second = x, third = x;
  double at_x = value(x), at_second = at_x, at_third = at_x;
  double step = 0, before = 0;
  for (int round = 0; round < 500; ++round) {
    const double middle = 0.5 * (low + high);
    const double near = std::sqrt(kEpsilon) * std::fabs(x) + kTolerance / 3;
    if (std::fabs(x - middle) <= 2 * near - 0.5 * (high - low)) break;
    bool parabola = false;
    if (std::fabs(before) > near) {
      const double r = (x - second) * (at_x - at_third);
      double q = (x - third) * (at_x - at_second);
      double p = (x - third) * q - (x - second) * r;
      q = 2 * (q - r);
      if (q > 0) p = -p;
      q = std::fabs(q);
      // Infinite likelihoods give no parabola.
      if (std::isfinite(p) && std::fabs(p) < std::fabs(0.5 * q * before) && p > q * (low - x) &&
          p < q * (high - x)) {
        before = step;
        step = p / q;
        const double next = x + step;
        if (next - low < 2 * near || high - next < 2 * near) {
          step = middle >= x ? near : -near;
        }
        parabola = true;
      }
    }
    if (!parabola) {
      before = x >= middle ? low - x : high - x;
      step = golden * before;
    }
    const double next =
        x + (step >= 0 ? std::max(std::fabs(step), near) : -std::max(std::fabs(step), near));
    const double at_next = value(next);
    if (at_next <= at_x) {
      (next >= x ? low : high) = x;
      third = second, at_third = at_second;
      second = x, at_second = at_x;
      x = next, at_x = at_next;
    } else {
      (next < x ? low : high) = next;
      if (at_next <= at_second || second == x) {
        third = second, at_third = at_second;
        second = next, at_second = at_next;
      } else if (at_next <= at_third || third == x || third == second) {
        third = next, at_third = at_next;
      }
    }
  }
  return x;
}

/// The exponent of greatest likelihood; `slope` is the sum of the logs of the derivative's factor
/// that depends on λ. Within what can be computed without overflow, as in SciPy.
double BestLambda(const std::vector<double>& numbers, double (*raise)(double, double),
                  double slope, double low, double high) {
  std::vector<double> raised(numbers.size());
  const auto count = static_cast<double>(numbers.size());
  return Minimize(low, high, [&](double lambda) {
    for (size_t i = 0; i < numbers.size(); ++i) raised[i] = raise(lambda, numbers[i]);
    const double variance = MomentsOf(raised).variance;
    if (!(variance > std::numeric_limits<double>::min()) || std::isinf(variance)) return kInfinity;
    return count / 2 * std::log(variance) - (lambda - 1) * slope;
  });
}

double FitYeoJohnson(const std::vector<double>& numbers) {
  double most = 0, slope = 0;
  bool negative = false, positive = false;
  for (double x : numbers) {
    most = std::max(most, std::fabs(x));
    negative |= x < 0;
    positive |= x >= 0;
    slope += std::copysign(std::log1p(std::fabs(x)), x);
  }
  if (most == 0) return 1;
  // Half of the exponents of doubles, for values up to twenty times the largest.
  const double width = std::log1p(20 * most);
  const double log_epsilon = std::log(kEpsilon);
  double low = (std::log(std::numeric_limits<double>::min()) - log_epsilon) / 2 / width;
  double high = (std::log(std::numeric_limits<double>::max()) + log_epsilon) / 2 / width;
  if (!positive) {
    const double end = 2 - low;
    low = 2 - high;
    high = end;
  } else if (negative) {
    const double end = std::min(2 - low, high);
    low = std::max(2 - high, low);
    high = end;
  }
  return BestLambda(numbers, YeoJohnson, slope, low, high);
}

double FitBoxCox(const std::vector<double>& numbers) {
  double most = 0, slope = 0;
  for (double x : numbers) {
    most = std::max(most, std::fabs(std::log(x)));
    slope += std::log(x);
  }
  if (most == 0) return 1;
  const double bound = 300 / most;
  return BestLambda(numbers, BoxCox, slope, -bound, bound);
}

struct PowerOptions {
  bool box_cox = false;
  bool standardize = true;
};

Result<PowerOptions> OptionsOf(const json::object& options) {
  ARROW_ASSIGN_OR_RAISE(const auto method,
                        WordOption(options, "method", {"yeo_johnson", "box_cox"}));
  ARROW_ASSIGN_OR_RAISE(const auto standardize, FindBool(options, "standardize"));
  return PowerOptions{method == "box_cox", standardize.value_or(true)};
}

Status CheckPower(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"method", "standardize"}));
  ARROW_RETURN_NOT_OK(OptionsOf(options).status());
  return CheckNumeric(kind);
}

Result<json::object> FitPower(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const PowerOptions wanted, OptionsOf(options));
  ARROW_ASSIGN_OR_RAISE(std::vector<double> numbers, FiniteNumbers(values));
  const double least = *std::ranges::min_element(numbers);
  if (wanted.box_cox && least <= 0) {
    return Status::Invalid("has the value ", least,
                           " among its training rows, and Box-Cox takes positive numbers only; "
                           "method 'yeo_johnson' takes any");
  }
  Power power;
  bool constant = LooksConstant(MomentsOf(numbers), numbers.size());
  if (!constant) {
    std::vector<double> fitted;
    const size_t every = (numbers.size() + kMaxFitted - 1) / kMaxFitted;
    for (size_t i = 0; i < numbers.size(); i += every) fitted.push_back(numbers[i]);
    power.lambda = wanted.box_cox ? FitBoxCox(fitted) : FitYeoJohnson(fitted);
  }
  json::object parameters{{"lambda", power.lambda}};
  if (wanted.standardize) {
    for (double& x : numbers) {
      x = wanted.box_cox ? BoxCox(power.lambda, x) : YeoJohnson(power.lambda, x);
    }
    const Moments moments = MomentsOf(numbers);
    constant = constant || LooksConstant(moments, numbers.size());
    parameters["mean"] = moments.mean;
    parameters["std"] = constant ? 0.0 : std::sqrt(moments.variance);
  }
  return parameters;
}

Result<Power> ParametersOf(const PowerOptions& options, const json::object& parameters) {
  Power power;
  ARROW_ASSIGN_OR_RAISE(power.lambda, NumberParameter(parameters, "lambda"));
  if (options.standardize) {
    ARROW_ASSIGN_OR_RAISE(power.mean, NumberParameter(parameters, "mean"));
    ARROW_ASSIGN_OR_RAISE(const double deviation, NumberParameter(parameters, "std"));
    power.deviation = WidthOrOne(deviation);
  }
  return power;
}

template <auto F>
Result<Value> Emit(Binder& binder, const Value& input, const Power& power) {
  return expr::EmitOfNumber<Power, double, F>(binder, input, expr::kDoubleType, power);
}

Result<std::vector<Value>> BindPower(Binder& binder, const Value& input,
                                     const json::object& options, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const PowerOptions wanted, OptionsOf(options));
  ARROW_ASSIGN_OR_RAISE(const Power power, ParametersOf(wanted, parameters));
  ARROW_ASSIGN_OR_RAISE(const Value value, wanted.box_cox
                                               ? Emit<ApplyBoxCox>(binder, input, power)
                                               : Emit<ApplyYeoJohnson>(binder, input, power));
  return std::vector<Value>{value};
}

Result<Value> UndoPower(Binder& binder, std::span<const Value> outputs,
                        const json::object& options, const json::object& parameters) {
  ARROW_ASSIGN_OR_RAISE(const PowerOptions wanted, OptionsOf(options));
  ARROW_ASSIGN_OR_RAISE(const Power power, ParametersOf(wanted, parameters));
  return wanted.box_cox ? Emit<UndoBoxCox>(binder, outputs[0], power)
                        : Emit<UndoYeoJohnson>(binder, outputs[0], power);
}

constexpr TransformationKind kKinds[] = {
    {.name = "power_transformer",
     .check = CheckPower,
     .fits_doubles = true,
     .fit = FitPower,
     .bind = BindPower,
     .inverse = UndoPower},
};

}  // namespace

std::span<const TransformationKind> PowerKinds() { return kKinds; }

}  // namespace tercet
