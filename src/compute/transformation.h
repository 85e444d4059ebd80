#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "base/cell.h"
#include "base/json.h"
#include "base/result.h"

namespace tercet {

class Arena;

/// A transformation of one or more columns, each by itself, with the parameters that were fitted.
/// docs/reference/transformations.md says what kinds there are, with their formulas, options,
/// types, and what becomes of null, NaN and what was not seen in fitting.
///
/// Parameters are fitted on the training part only; nulls and NaN are left out of fitting.
/// Transformations apply in order, so a column may be imputed, then scaled. A column without a
/// value to fit on, and infinite values where they can't be fitted, are Invalid.
struct FittedTransformation {
  std::string kind;
  std::vector<std::string> columns;
  json::object options;
  json::object parameters;  ///< column → fitted values; empty where nothing is fitted
  json::object ToJson() const;
  static Result<FittedTransformation> FromJson(const json::object& object);
};

/// Fitted transformations as definitions and releases keep them: a list of ToJson(), in order.
Result<std::vector<FittedTransformation>> FittedFromJson(const json::array& array);

/// All kinds, in the order of the reference.
std::vector<std::string> TransformationNames();

/// Checks a definition without data: kind (with a suggestion), options, columns in `schema`, types,
/// and for a supervised kind its target among `labels`. Gives the schema that it leaves behind, as
/// far as that is known before fitting: the columns of one-hot encoded categories are left out.
Result<std::shared_ptr<arrow::Schema>> CheckTransformation(
    const std::string& kind, const std::vector<std::string>& columns, const json::object& options,
    const std::shared_ptr<arrow::Schema>& schema, const arrow::Schema& labels);

/// Whether a kind is fitted to labels, so that its training rows must be encoded out of fold
/// (training/cross_fit.h). KeyError when there is no such kind.
Result<bool> IsSupervised(const std::string& kind);

/// The label that a supervised transformation is fitted to: a number a row, NaN for null.
Result<std::vector<double>> TargetOf(const std::string& kind, const json::object& options,
                                     const arrow::Table& labels);

/// Fits one transformation on `train` (which earlier transformations have been applied to).
/// Deterministic: the same rows in the same order give the same bits. `labels` are aligned with
/// `train`; null where there are none.
Result<FittedTransformation> FitTransformation(const std::string& kind,
                                               const std::vector<std::string>& columns,
                                               const json::object& options,
                                               const arrow::Table& train,
                                               const arrow::Table* labels = nullptr);

/// Fitted transformations bound to an input schema. Immutable and thread-safe; the same function
/// for training data, batch and one online row. Columns not named pass through in place; what a
/// column becomes stands in its place.
class TransformationPlan {
 public:
  static Result<std::shared_ptr<const TransformationPlan>> Make(
      const std::vector<FittedTransformation>& fitted, const std::shared_ptr<arrow::Schema>& input);
  /// The plan that undoes them, from the last to the first: `output` is what they gave, or some of
  /// its columns. Invalid when one whose columns are there has no inverse; one whose columns are
  /// not all there is passed over. Numbers come back as doubles.
  static Result<std::shared_ptr<const TransformationPlan>> MakeInverse(
      const std::vector<FittedTransformation>& fitted,
      const std::shared_ptr<arrow::Schema>& output);
  virtual ~TransformationPlan() = default;
  virtual const std::shared_ptr<arrow::Schema>& output_schema() const = 0;
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Apply(
      const std::shared_ptr<arrow::RecordBatch>& batch) const = 0;

  /// Whether what is computed comes from columns of cell types.
  virtual bool takes_cells() const = 0;
  /// One row in place, where it takes cells: `row` has one for each input column, `answers` room
  /// for one for each of output_schema(). The same instructions as Apply's, so the same bits. The
  /// answers stay as long as `row`, this, and what was taken from `memory`.
  virtual Status ApplyRow(std::span<const Cell> row, Arena* memory,
                          std::span<Cell> answers) const = 0;
};

}  // namespace tercet
