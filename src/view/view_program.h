#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "compute/transformation.h"
#include "view/point_in_time_read.h"
#include "view/view_plan.h"

namespace tercet {

/// The part of a view's read that is no join: what turns joined rows into the view's, for an engine
/// that made the joins itself (view/view_recipe.h). Expressions, filter and transformations are
/// those of every other read. Needs no project: all that it is made of crosses as JSON, so any
/// process of a cluster can run it. Immutable, thread-safe.
///
/// Values come in and go out as a table keeps them (offline/stored_type.h), in types that other
/// engines have; columns that come in are told by their place.
class ViewProgram {
 public:
  /// A column that Run wants, of its stored type.
  struct Input {
    int group = 0;  ///< 0 the left rows, k the k-th join
    std::string column;
    std::shared_ptr<arrow::DataType> type;
  };

  /// `keys`: the left rows' key columns that are to come out beside the view's columns.
  static Result<std::shared_ptr<const ViewProgram>> Make(
      std::shared_ptr<const ViewPlan> plan, std::vector<FittedTransformation> fitted,
      std::vector<std::string> keys, bool has_time);
  /// `python` runs the functions that the view brings, and must outlive the program.
  /// NotImplemented where there are some and it is null.
  static Result<std::shared_ptr<const ViewProgram>> FromJson(const json::object& object,
                                                             PythonFunctions* python = nullptr);
  json::object ToJson() const;

  /// After these comes one more column: the left rows' times in microseconds, int64, which may be
  /// null where has_time is false.
  const std::vector<Input>& inputs() const { return inputs_; }
  /// Of what comes out: features as they are transformed, labels, helper columns, then the keys and
  /// "event_time" as far as no other column has their name.
  const std::shared_ptr<arrow::Schema>& output_schema() const { return output_; }

  /// Rows that the view's filter leaves out are left out. TypeError for columns that are not those
  /// of inputs(), Invalid for a value that its type can't be or that an expression can't take.
  Result<std::shared_ptr<arrow::RecordBatch>> Run(const arrow::RecordBatch& joined) const;

  /// Run in two steps, for an engine that keeps the rows between them: Finish(Rows(joined)). Rows
  /// are the features before transformation, labels, helper columns, keys and event times, all of
  /// them, told by their place ("r0" …), of stored types. They don't depend on what is fitted.
  const std::shared_ptr<arrow::Schema>& rows_schema() const { return rows_schema_; }
  Result<std::shared_ptr<arrow::RecordBatch>> Rows(const arrow::RecordBatch& joined) const;
  Result<std::shared_ptr<arrow::RecordBatch>> Finish(const arrow::RecordBatch& rows) const;
  /// Rows as a read of the view gives them; `pins` are left empty.
  Result<ViewRows> AsRead(const arrow::RecordBatch& rows) const;

 private:
  struct Output {
    bool is_feature;
    int column = 0;  ///< among the transformed features, or of the row
  };
  ViewProgram() = default;
  void FindInputs();
  Status FindRows();
  Status FindOutputs();
  /// Joined rows as the view's before transformation, of logical types.
  Result<arrow::ArrayVector> Evaluate(const arrow::RecordBatch& joined) const;
  /// Rows of stored types as those of logical types.
  Result<arrow::ArrayVector> Received(const arrow::RecordBatch& rows) const;
  Result<std::shared_ptr<arrow::RecordBatch>> Transformed(const arrow::ArrayVector& row,
                                                          int64_t count) const;
  Result<std::shared_ptr<arrow::RecordBatch>> RowsOf(
      const std::vector<std::shared_ptr<arrow::Array>>& inputs,
      const std::shared_ptr<arrow::Array>& times) const;

  std::shared_ptr<const ViewPlan> plan_;
  std::vector<FittedTransformation> fitted_;
  std::shared_ptr<const TransformationPlan> transformations_;  ///< null: none
  std::vector<std::string> keys_;
  bool has_time_ = false;
  std::vector<Input> inputs_;
  std::vector<std::shared_ptr<arrow::DataType>> logical_;  ///< of the inputs, as the plan has them
  std::vector<int> row_inputs_;  ///< for each field of the rows its input; −1 the root's time
  arrow::FieldVector row_;       ///< rows before transformation, of logical types
  std::shared_ptr<arrow::Schema> rows_schema_;
  std::shared_ptr<arrow::Schema> output_;
  std::vector<Output> outputs_;
};

}  // namespace tercet
