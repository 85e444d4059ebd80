#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "compute/column_values.h"
#include "compute/expression_binder.h"

namespace tercet {

/// One kind of transformation, seen from one column. Kinds know nothing of batches: they compile
/// to the instructions that expressions are made of, so one evaluator serves a million rows and
/// one. A kind is one entry of a table in the file of its family (transformation_*.cc); what it
/// does not have is left out.
struct TransformationKind {
  std::string_view name;
  /// Checks options, and that a column of this kind of values fits them.
  Status (*check)(const json::object& options, expr::Kind kind);
  /// Whether fitting wants numbers (bools and integers too) as doubles.
  bool fits_doubles = false;
  /// The parameters of one column; null where nothing is fitted.
  Result<json::object> (*fit)(const json::object& options, const ColumnValues& values) = nullptr;
  /// Instead of `fit` where labels are needed: `target` has a number a row, NaN for null.
  Result<json::object> (*fit_to_target)(const json::object& options, const ColumnValues& values,
                                        const std::vector<double>& target) = nullptr;
  /// The columns that take the input's place, in the order of `outputs`.
  Result<std::vector<expr::Value>> (*bind)(expr::Binder& binder, const expr::Value& input,
                                           const json::object& options,
                                           const json::object& parameters);
  /// The input from what became of it; null where it can't be known.
  Result<expr::Value> (*inverse)(expr::Binder& binder, std::span<const expr::Value> outputs,
                                 const json::object& options,
                                 const json::object& parameters) = nullptr;
  /// The output columns' names; null where there is one, under the input's name.
  Result<std::vector<std::string>> (*outputs)(const std::string& column,
                                              const json::object& options,
                                              const json::object& parameters) = nullptr;
  /// Whether the names of outputs come from fitted parameters.
  bool outputs_are_fitted = false;
  /// The kind of each output column, for an input's kind; null where all are doubles.
  expr::Kind (*answer)(const json::object& options, expr::Kind input, size_t output) = nullptr;
};

std::span<const TransformationKind> ScalerKinds();
std::span<const TransformationKind> DistributionKinds();
std::span<const TransformationKind> PowerKinds();
std::span<const TransformationKind> LimitKinds();
std::span<const TransformationKind> BinKinds();
std::span<const TransformationKind> EncoderKinds();
std::span<const TransformationKind> FrequencyKinds();
std::span<const TransformationKind> TargetKinds();
std::span<const TransformationKind> HashKinds();
std::span<const TransformationKind> TimeKinds();
std::span<const TransformationKind> TextKinds();
std::span<const TransformationKind> ImputerKinds();

/// KeyError with a suggestion when there is no such kind.
Result<const TransformationKind*> FindTransformationKind(std::string_view name);

/// The names of a column's outputs.
Result<std::vector<std::string>> OutputNames(const TransformationKind& kind,
                                             const std::string& column,
                                             const json::object& options,
                                             const json::object& parameters);

/// Invalid when `options` has a member other than those known, with a suggestion.
Status CheckOptionNames(const json::object& options, const std::vector<std::string>& known);

/// A number among fitted parameters. Invalid when it is missing or none.
Result<double> NumberParameter(const json::object& parameters, std::string_view name);
/// A list of numbers among fitted parameters. Invalid when it is missing, empty or of others.
Result<std::vector<double>> NumbersParameter(const json::object& parameters,
                                             std::string_view name);

/// Options, or their defaults. Invalid when of another type or out of range.
Result<double> NumberOption(const json::object& options, std::string_view name, double otherwise);
Result<int64_t> CountOption(const json::object& options, std::string_view name, int64_t otherwise,
                            int64_t least, int64_t most);
/// One of the words, the first of them by default; else Invalid with a suggestion.
Result<std::string> WordOption(const json::object& options, std::string_view name,
                               const std::vector<std::string>& words);

/// TypeError unless the kind is of numbers or bools, which count as 0 and 1.
Status CheckNumeric(expr::Kind kind);
/// No value to fit on.
Status NothingToFit(const ColumnValues& values);
/// The finite numbers to fit on, at least one; as in scikit-learn, infinity is refused.
Result<std::vector<double>> FiniteNumbers(const ColumnValues& values);

/// A width of (nearly) zero would blow up rounding errors; scikit-learn divides by 1 then.
double WidthOrOne(double width);

}  // namespace tercet
