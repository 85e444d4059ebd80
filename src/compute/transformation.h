#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Kinds, each for one or more columns, each column by itself (options in parentheses):
///   min_max_scaler                        (x − min) / (max − min); x − min where max = min
///   standard_scaler                       (x − mean) / population standard deviation; ÷ 1 for a
///   constant robust_scaler                         (x − median) / (q75 − q25); ÷ 1 where those are
///   equal log1p                                 ln(1 + x); stateless one_hot_encoder one float64
///   column a category, "name_value" in sorted
///                                         order; unseen and null give zeros; at most 10,000
///   label_encoder                         index of the category in sorted order, int64; unseen −1,
///                                         null null
///   impute (strategy: mean | median | constant | most_frequent; fill_value)  nulls and NaN
/// Parameters are fitted on the training part only; nulls and NaN are left out of fitting and stay
/// null except where said. Transformations apply in order, so a column may be imputed, then
/// scaled. Formulas are scikit-learn's; docs/reference/transformations.md has types and options.
/// A column without a value to fit on, and infinite values where they can't be fitted, are Invalid.
struct FittedTransformation {
  std::string kind;
  std::vector<std::string> columns;
  json::object options;
  json::object parameters;  ///< column → fitted values
  json::object ToJson() const;
  static Result<FittedTransformation> FromJson(const json::object& object);
};

/// Fitted transformations as definitions and releases keep them: a list of ToJson(), in order.
Result<std::vector<FittedTransformation>> FittedFromJson(const json::array& array);

/// Checks a definition without data: kind (with a suggestion), options, columns in `schema`, types.
Status CheckTransformation(const std::string& kind, const std::vector<std::string>& columns,
                           const json::object& options, const arrow::Schema& schema);

/// Fits one transformation on `train` (which earlier transformations have been applied to).
/// Deterministic: the same rows in the same order give the same bits.
Result<FittedTransformation> FitTransformation(const std::string& kind,
                                               const std::vector<std::string>& columns,
                                               const json::object& options,
                                               const arrow::Table& train);

/// Fitted transformations bound to an input schema. Immutable and thread-safe; the same function
/// for training data, batch and one online row. Columns not named pass through in place; a
/// one-hot encoded column is replaced in place by its categories' columns.
class TransformationPlan {
 public:
  static Result<std::shared_ptr<const TransformationPlan>> Make(
      const std::vector<FittedTransformation>& fitted, const std::shared_ptr<arrow::Schema>& input);
  virtual ~TransformationPlan() = default;
  virtual const std::shared_ptr<arrow::Schema>& output_schema() const = 0;
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Apply(
      const std::shared_ptr<arrow::RecordBatch>& batch) const = 0;
};

}  // namespace tercet
