#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type.h>

#include "catalog/python_function.h"
#include "compute/expression.h"

namespace tercet {

/// The Python functions that a view brings, for on-demand features that are one call of one on
/// columns: `risk(amount, planes.year)`. Immutable after Make, thread-safe.
class ViewFunctions {
 public:
  /// Invalid for two of one name, and for one that expressions have already; NotImplemented when
  /// there are functions and no `python`.
  static Result<ViewFunctions> Make(const std::vector<PythonFunction>& functions,
                                    PythonFunctions* python);

  struct Called {
    const PythonFunction* function;
    std::vector<std::string> columns;
  };
  /// The function that the whole expression is a call of; null when it calls none. Invalid where a
  /// function stands amid an expression, or takes what is no column.
  Result<Called> Find(const Expression& expression) const;

  /// The call on columns of these types, in the order of the parameters: an expression like any
  /// other, but for one row in place. TypeError where a column can't be what its parameter takes.
  Result<std::shared_ptr<const CompiledExpression>> Compile(const PythonFunction& function,
                                                            const arrow::Schema& columns) const;

  /// PythonCallable::Prepare of all.
  Status Prepare() const;
  /// PythonCallable::Reserve of all.
  Status Reserve(const WorkerLimits& limits) const;

 private:
  std::vector<PythonFunction> functions_;
  std::vector<std::shared_ptr<PythonCallable>> callables_;  // one a function
};

}  // namespace tercet
