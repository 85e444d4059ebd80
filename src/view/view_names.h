#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "compute/expression.h"
#include "view/view_functions.h"
#include "view/view_plan.h"

namespace tercet {

/// Where an expression's column comes from: the rows given to ViewPlan::Evaluate, by name, or a
/// column computed before.
struct ExpressionInput {
  std::string row_column;  ///< empty: computed
  int computed = -1;       ///< index among the computed columns
};

/// What expressions of a view may name, and what each name means. In order: `event_time`, view
/// columns, request parameters, on-demand features before it, "group.feature" of a selected
/// feature, and any column of the root group ("tailnum" or "flights.tailnum").
class ViewNames {
 public:
  explicit ViewNames(std::string view) : view_(std::move(view)) {}

  /// Names must be added before expressions use them; a later one never hides an earlier one.
  void AddRow(const std::string& name, const std::shared_ptr<arrow::DataType>& type);
  void AddComputed(const std::string& name, const std::shared_ptr<arrow::DataType>& type);
  /// "group.feature" for a view column. Of a group that is joined twice it is ambiguous.
  void AddQualified(const std::string& group, const std::string& feature, const std::string& column,
                    const std::shared_ptr<arrow::DataType>& type);
  void SetRoot(const FeatureGroupDefinition& root) { root_ = root; }

  bool Has(const std::string& name) const { return meanings_.contains(name); }

  struct Meaning {
    std::shared_ptr<arrow::DataType> type;
    ExpressionInput input;
    bool ambiguous = false;
  };
  /// KeyError with a suggestion; Invalid when ambiguous. A root column that is no view column is
  /// noted in left_columns().
  Result<Meaning> Resolve(const std::string& name);

  const std::vector<LeftColumn>& left_columns() const { return left_columns_; }

 private:
  const std::string view_;
  FeatureGroupDefinition root_;
  std::map<std::string, Meaning> meanings_;
  std::vector<LeftColumn> left_columns_;
  int computed_ = 0;
};

/// An expression of a view, compiled against just the columns that it names; or a call of a Python
/// function that the view brings.
class ViewExpression {
 public:
  /// `what` says in errors whose expression it is: "on-demand feature 'age'".
  static Result<ViewExpression> Make(const std::string& what, const std::string& text,
                                     const ViewFunctions& functions, ViewNames* names);

  const std::shared_ptr<arrow::DataType>& type() const { return compiled_->type(); }
  const std::vector<ExpressionInput>& inputs() const { return inputs_; }
  const std::string& what() const { return what_; }
  /// A call of a Python function.
  bool is_python() const { return is_python_; }
  /// Over the inputs, in their order.
  const std::shared_ptr<const CompiledExpression>& compiled() const { return compiled_; }
  Result<std::shared_ptr<arrow::Array>> Evaluate(
      const arrow::RecordBatch& rows,
      const std::vector<std::shared_ptr<arrow::Array>>& computed) const;

 private:
  std::string what_;
  bool is_python_ = false;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<ExpressionInput> inputs_;  // one a field of the schema
  std::shared_ptr<const CompiledExpression> compiled_;
};

}  // namespace tercet
