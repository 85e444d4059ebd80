#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "compute/column_values.h"
#include "compute/expression_binder.h"

namespace tercet {

/// What a transformation makes of one column: its columns' names and values, in order.
using BoundColumns = std::vector<std::pair<std::string, expr::Value>>;

/// One kind of transformation, seen from one column. Kinds know nothing of batches: they compile
/// to the instructions that expressions are made of, so one evaluator serves both.
struct TransformationKind {
  std::string_view name;
  /// Checks options, and that a column of this kind of values fits them.
  Status (*check)(const json::object& options, expr::Kind kind);
  /// Whether fitting wants numbers (bools and integers too) as doubles.
  bool fits_doubles;
  /// The parameters of one column.
  Result<json::object> (*fit)(const json::object& options, const ColumnValues& values);
  Result<BoundColumns> (*bind)(expr::Binder& binder, const expr::Value& input,
                               const std::string& column, const json::object& options,
                               const json::object& parameters);
};

std::span<const TransformationKind> ScalerKinds();
std::span<const TransformationKind> EncoderKinds();
std::span<const TransformationKind> ImputerKinds();

/// KeyError with a suggestion when there is no such kind.
Result<const TransformationKind*> FindTransformationKind(std::string_view name);

/// Invalid when `options` has a member other than those known, with a suggestion.
Status CheckOptionNames(const json::object& options, const std::vector<std::string>& known);

/// A number among fitted parameters. Invalid when it is missing or none.
Result<double> NumberParameter(const json::object& parameters, std::string_view name);

}  // namespace tercet
