#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/name.h"
#include "compute/expression_kernel.h"
#include "compute/summation.h"
#include "compute/transformation_kind.h"

/// impute: a value in place of null and NaN; missing_indicator: where they were.
namespace tercet {
namespace {

using expr::Binder;
using expr::Instruction;
using expr::Kind;
using expr::Literal;
using expr::Run;
using expr::Value;

Result<std::string> StrategyOf(const json::object& options) {
  ARROW_ASSIGN_OR_RAISE(const auto strategy, FindString(options, "strategy"));
  return strategy.value_or("mean");
}

Kind KindOf(const json::value& fill) {
  if (fill.is_bool()) return Kind::kBool;
  if (fill.is_int64()) return Kind::kInt;
  if (fill.is_number()) return Kind::kDouble;
  if (fill.is_string()) return Kind::kString;
  return Kind::kOpaque;
}

/// Whether a fill value may stand in a column of the kind; integers may become doubles.
bool Fits(Kind fill, Kind column) {
  if (column == Kind::kNull) return fill != Kind::kOpaque;
  if (fill == column) return true;
  return (fill == Kind::kInt || fill == Kind::kDouble) &&
         (column == Kind::kInt || column == Kind::kDouble);
}

Status CheckImpute(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {"strategy", "fill_value", "indicator"}));
  ARROW_RETURN_NOT_OK(FindBool(options, "indicator").status());
  ARROW_ASSIGN_OR_RAISE(const std::string strategy, StrategyOf(options));
  const std::vector<std::string> strategies = {"mean", "median", "constant", "most_frequent"};
  if (std::find(strategies.begin(), strategies.end(), strategy) == strategies.end()) {
    return Status::Invalid("has no strategy '", strategy, "'", Suggest(strategy, strategies));
  }
  const bool number = kind == Kind::kInt || kind == Kind::kDouble || kind == Kind::kNull;
  if (!number && (strategy == "mean" || strategy == "median")) {
    return Status::TypeError("takes the ", strategy, " of numbers, not of ", expr::KindName(kind),
                             "; the strategies 'most_frequent' and 'constant' take any values");
  }
  if (!number && kind != Kind::kString && kind != Kind::kBool) {
    return Status::TypeError("takes numbers, strings or bools, not ", expr::KindName(kind));
  }
  const json::value* fill = options.if_contains("fill_value");
  if (strategy != "constant") {
    if (fill == nullptr || fill->is_null()) return Status::OK();
    return Status::Invalid("takes a 'fill_value' only with the strategy 'constant', not '",
                           strategy, "'");
  }
  if (fill == nullptr) return Status::Invalid("needs a 'fill_value' for the strategy 'constant'");
  if (!Fits(KindOf(*fill), kind)) {
    return Status::TypeError("can't put the fill_value ", ToText(*fill), " into a column of ",
                             expr::KindName(kind));
  }
  return Status::OK();
}

/// The value that comes most often; of several, the least, as in scikit-learn.
template <typename T>
Result<json::value> MostFrequent(const ColumnValues& values) {
  using Seen = std::conditional_t<std::is_same_v<T, std::string>, std::string_view, T>;
  std::map<T, int64_t, std::less<>> counts;
  values.ForEach<Seen>([&](Seen value) {
    if constexpr (std::is_same_v<T, double>) {
      if (std::isnan(value)) return;
    }
    auto found = counts.find(value);
    if (found == counts.end()) found = counts.emplace(T(value), 0).first;
    ++found->second;
  });
  if (counts.empty()) return NothingToFit(values);
  auto most = counts.begin();
  for (auto at = counts.begin(); at != counts.end(); ++at) {
    if (at->second > most->second) most = at;
  }
  return json::value(most->first);
}

Result<json::value> MostFrequentOf(const ColumnValues& values) {
  switch (values.kind()) {
    case Kind::kBool:
      return MostFrequent<bool>(values);
    case Kind::kInt:
      return MostFrequent<int64_t>(values);
    case Kind::kDouble:
      return MostFrequent<double>(values);
    case Kind::kString:
      return MostFrequent<std::string>(values);
    default:
      return NothingToFit(values);
  }
}

/// The numbers of a column of integers or doubles.
std::vector<double> NumbersOf(const ColumnValues& values) {
  if (values.kind() == Kind::kDouble) return values.Numbers();
  std::vector<double> numbers;
  if (values.kind() == Kind::kInt) {
    values.ForEach<int64_t>([&](int64_t value) { numbers.push_back(static_cast<double>(value)); });
  }
  return numbers;
}

Result<json::object> FitImpute(const json::object& options, const ColumnValues& values) {
  ARROW_ASSIGN_OR_RAISE(const std::string strategy, StrategyOf(options));
  if (strategy == "constant") return json::object{{"fill", options.at("fill_value")}};
  if (strategy == "most_frequent") {
    ARROW_ASSIGN_OR_RAISE(json::value fill, MostFrequentOf(values));
    return json::object{{"fill", std::move(fill)}};
  }
  std::vector<double> numbers = NumbersOf(values);
  if (numbers.empty()) return NothingToFit(values);
  const double fill = strategy == "median" ? MedianOf(numbers) : MomentsOf(numbers).mean;
  if (!std::isfinite(fill)) {
    return Status::Invalid("has infinite values among its training rows; their ", strategy,
                           " can't be filled in");
  }
  return json::object{{"fill", fill}};
}

template <typename T>
void Fill(const Instruction& instruction, Run& run) {
  const T* a = expr::In<T>(instruction, run, 0);
  const T* fill = expr::In<T>(instruction, run, 1);
  T* out = expr::Out<T>(instruction, run);
  const expr::Register& in = run.registers[instruction.in[0]];
  run.registers[instruction.out].has_nulls = false;
  for (int64_t i = 0; i < run.rows; ++i) {
    bool missing = in.has_nulls && in.valid[i] == 0;
    if constexpr (std::is_same_v<T, double>) missing = missing || std::isnan(a[i]);
    out[i] = missing ? fill[i] : a[i];
  }
}

Result<Literal> FillLiteral(const json::value& fill) {
  Literal literal{.kind = KindOf(fill), .valid = true};
  switch (literal.kind) {
    case Kind::kBool:
      literal.integer = fill.get_bool();
      return literal;
    case Kind::kInt:
      literal.integer = fill.get_int64();
      return literal;
    case Kind::kDouble:
      literal.number = fill.to_number<double>();
      return literal;
    case Kind::kString:
      literal.text = std::string_view(fill.get_string());
      return literal;
    default:
      return Status::Invalid("has a fitted 'fill' that is no value: ", ToText(fill));
  }
}

/// 1 where null or NaN, else 0; never null.
template <typename T>
void Missing(const Instruction& instruction, Run& run) {
  const T* a = expr::In<T>(instruction, run);
  const expr::Register& in = run.registers[instruction.in[0]];
  double* out = expr::Out<double>(instruction, run);
  run.registers[instruction.out].has_nulls = false;
  for (int64_t i = 0; i < run.rows; ++i) {
    bool missing = in.has_nulls && in.valid[i] == 0;
    if constexpr (std::is_same_v<T, double>) missing = missing || std::isnan(a[i]);
    out[i] = missing ? 1 : 0;
  }
}

Value EmitMissing(Binder& binder, const Value& input) {
  const expr::Kernel kernel =
      expr::WithLayout(expr::LayoutOf(input.type.kind),
                       []<typename T>() -> expr::Kernel { return Missing<T>; });
  return binder.Emit(kernel, expr::kDoubleType, {input});
}

bool HasIndicator(const json::object& options) {
  const json::value* indicator = options.if_contains("indicator");
  return indicator != nullptr && indicator->is_bool() && indicator->get_bool();
}

/// "x" and, with an indicator, "x_missing".
Result<std::vector<std::string>> ImputeNames(const std::string& column,
                                             const json::object& options, const json::object&) {
  if (!HasIndicator(options)) return std::vector<std::string>{column};
  return std::vector<std::string>{column, column + "_missing"};
}

Result<std::vector<Value>> BindImpute(Binder& binder, const Value& input,
                                      const json::object& options,
                                      const json::object& parameters) {
  const json::value* fill = parameters.if_contains("fill");
  if (fill == nullptr) return Status::Invalid("has no fitted 'fill'");
  ARROW_ASSIGN_OR_RAISE(Literal literal, FillLiteral(*fill));
  if (!Fits(literal.kind, input.type.kind)) {
    return Status::TypeError("was fitted on other values: ", ToText(*fill),
                             " can't stand in a column of ", expr::KindName(input.type.kind));
  }
  Value values[] = {input, binder.Constant({literal.kind, ""}, literal)};
  ARROW_ASSIGN_OR_RAISE(const expr::ValueType common, binder.Unify(values));
  const expr::Kernel kernel = expr::WithLayout(
      expr::LayoutOf(common.kind), []<typename T>() -> expr::Kernel { return Fill<T>; });
  std::vector<Value> columns = {binder.Emit(kernel, common, {values[0], values[1]})};
  if (HasIndicator(options)) columns.push_back(EmitMissing(binder, input));
  return columns;
}

/// The value where the indicator is 0, else null.
template <typename T>
void NullWhereMissing(const Instruction& instruction, Run& run) {
  const T* a = expr::In<T>(instruction, run, 0);
  const double* missing = expr::In<double>(instruction, run, 1);
  T* out = expr::Out<T>(instruction, run);
  expr::AndValidity(instruction, run, 2);
  uint8_t* valid = expr::WritableValidity(instruction, run);
  for (int64_t i = 0; i < run.rows; ++i) {
    out[i] = a[i];
    valid[i] &= static_cast<uint8_t>(missing[i] == 0);
  }
}

/// Without an indicator what was filled in can't be told from the rest, and stays.
Result<Value> UndoImpute(Binder& binder, std::span<const Value> outputs,
                         const json::object&, const json::object&) {
  if (outputs.size() == 1) return outputs[0];
  ARROW_ASSIGN_OR_RAISE(const Value missing, expr::EmitNumber(binder, outputs[1]));
  const expr::Kernel kernel =
      expr::WithLayout(expr::LayoutOf(outputs[0].type.kind),
                       []<typename T>() -> expr::Kernel { return NullWhereMissing<T>; });
  return binder.Emit(kernel, outputs[0].type, {outputs[0], missing});
}

Kind ImputeAnswer(const json::object& options, Kind input, size_t output) {
  if (output == 1) return Kind::kDouble;
  const auto strategy = StrategyOf(options);
  if (strategy.ok() && (*strategy == "mean" || *strategy == "median")) return Kind::kDouble;
  const json::value* fill = options.if_contains("fill_value");
  return fill != nullptr && KindOf(*fill) == Kind::kDouble ? Kind::kDouble : input;
}

Status CheckIndicator(const json::object& options, Kind kind) {
  ARROW_RETURN_NOT_OK(CheckOptionNames(options, {}));
  if (kind != Kind::kOpaque) return Status::OK();
  return Status::TypeError("takes values, not ", expr::KindName(kind));
}

Result<std::vector<std::string>> IndicatorNames(const std::string& column, const json::object&,
                                                const json::object&) {
  return std::vector<std::string>{column, column + "_missing"};
}

Result<std::vector<Value>> BindIndicator(Binder& binder, const Value& input, const json::object&,
                                         const json::object&) {
  return std::vector<Value>{input, EmitMissing(binder, input)};
}

Result<Value> UndoIndicator(Binder&, std::span<const Value> outputs, const json::object&,
                            const json::object&) {
  return outputs[0];
}

Kind IndicatorAnswer(const json::object&, Kind input, size_t output) {
  return output == 0 ? input : Kind::kDouble;
}

constexpr TransformationKind kKinds[] = {
    {.name = "impute",
     .check = CheckImpute,
     .fit = FitImpute,
     .bind = BindImpute,
     .inverse = UndoImpute,
     .outputs = ImputeNames,
     .answer = ImputeAnswer},
    {.name = "missing_indicator",
     .check = CheckIndicator,
     .bind = BindIndicator,
     .inverse = UndoIndicator,
     .outputs = IndicatorNames,
     .answer = IndicatorAnswer},
};

}  // namespace

std::span<const TransformationKind> ImputerKinds() { return kKinds; }

}  // namespace tercet
