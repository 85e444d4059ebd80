#include "training/cross_fit.h"

#include <cmath>
#include <set>

#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/compute/api.h>

#include "base/parallel.h"
#include "compute/split.h"
#include "compute/transformation.h"
#include "training/part_maker.h"
#include "training/row_split.h"

namespace tercet {
namespace {

/// Rows without a label are a class of their own; more than two other values are no classes.
std::vector<int64_t> ClassesOf(const std::vector<double>& target) {
  std::set<double> values;
  for (double label : target) {
    if (!std::isnan(label)) values.insert(label);
    if (values.size() > 2) return {};
  }
  std::vector<int64_t> classes;
  classes.reserve(target.size());
  for (double label : target) {
    classes.push_back(std::isnan(label) ? -1 : label == *values.begin() ? 0 : 1);
  }
  return classes;
}

Result<std::vector<int32_t>> FoldsOf(const TransformationDefinition& definition,
                                     const arrow::Table& labels, int64_t seed) {
  ARROW_ASSIGN_OR_RAISE(const auto folds_option, FindInt(definition.options, "folds"));
  ARROW_ASSIGN_OR_RAISE(const auto shuffle, FindBool(definition.options, "shuffle"));
  const int64_t folds = folds_option.value_or(5);
  if (labels.num_rows() < folds) {
    return Status::Invalid(definition.kind, " is fitted on ", folds, " folds, and there are only ",
                           labels.num_rows(), " training rows; give it fewer 'folds'");
  }
  ARROW_ASSIGN_OR_RAISE(const std::vector<double> target,
                        TargetOf(definition.kind, definition.options, labels));
  const std::vector<int64_t> classes = ClassesOf(target);
  if (!shuffle.value_or(true)) {
    return classes.empty() ? ContiguousFolds(labels.num_rows(), folds)
                           : StratifiedFolds(classes, folds);
  }
  const std::vector<double> shares(static_cast<size_t>(folds), 1 / static_cast<double>(folds));
  return classes.empty() ? RandomSplit(labels.num_rows(), shares, static_cast<uint64_t>(seed))
                         : StratifiedSplit(classes, shares, static_cast<uint64_t>(seed));
}

/// The rows of the fold, or all others, in ascending order.
Result<std::shared_ptr<arrow::Int64Array>> RowsOf(const std::vector<int32_t>& fold_of,
                                                  int32_t fold, bool others) {
  arrow::Int64Builder builder;
  for (size_t i = 0; i < fold_of.size(); ++i) {
    if ((fold_of[i] == fold) != others) {
      ARROW_RETURN_NOT_OK(builder.Append(static_cast<int64_t>(i)));
    }
  }
  std::shared_ptr<arrow::Int64Array> rows;
  ARROW_RETURN_NOT_OK(builder.Finish(&rows));
  return rows;
}

/// The columns that the transformation takes.
Result<std::shared_ptr<arrow::Table>> ColumnsOf(const TransformationDefinition& definition,
                                                const arrow::Table& features) {
  std::vector<int> indices;
  for (const std::string& name : definition.columns) {
    indices.push_back(features.schema()->GetFieldIndex(name));
  }
  return features.SelectColumns(indices);
}

}  // namespace

Result<FoldFits> FitFolds(const TransformationDefinition& definition,
                          const std::shared_ptr<arrow::Table>& features,
                          const std::shared_ptr<arrow::Table>& labels, int64_t seed) {
  FoldFits fits;
  ARROW_ASSIGN_OR_RAISE(fits.fold_of, FoldsOf(definition, *labels, seed));
  ARROW_ASSIGN_OR_RAISE(const auto columns, ColumnsOf(definition, *features));
  fits.fitted.resize(
      static_cast<size_t>(*std::max_element(fits.fold_of.begin(), fits.fold_of.end()) + 1));
  ARROW_RETURN_NOT_OK(
      ParallelFor(static_cast<int64_t>(fits.fitted.size()), [&](int64_t fold) -> Status {
        ARROW_ASSIGN_OR_RAISE(const auto others,
                              RowsOf(fits.fold_of, static_cast<int32_t>(fold), true));
        ARROW_ASSIGN_OR_RAISE(const auto train, TakeRows(columns, *others));
        ARROW_ASSIGN_OR_RAISE(const auto train_labels, TakeRows(labels, *others));
        return FitTransformation(definition.kind, definition.columns, definition.options, *train,
                                 train_labels.get())
            .Value(&fits.fitted[static_cast<size_t>(fold)]);
      }));
  return fits;
}

Result<std::shared_ptr<arrow::Table>> CrossFit(const TransformationDefinition& definition,
                                               const std::shared_ptr<arrow::Table>& features,
                                               const std::shared_ptr<arrow::Table>& labels,
                                               int64_t seed) {
  ARROW_ASSIGN_OR_RAISE(const FoldFits fits, FitFolds(definition, features, labels, seed));
  const std::vector<int32_t>& fold_of = fits.fold_of;
  ARROW_ASSIGN_OR_RAISE(const auto columns, ColumnsOf(definition, *features));
  std::vector<std::shared_ptr<arrow::Table>> encoded(fits.fitted.size());
  std::vector<std::shared_ptr<arrow::Int64Array>> rows(encoded.size());
  ARROW_RETURN_NOT_OK(
      ParallelFor(static_cast<int64_t>(encoded.size()), [&](int64_t fold) -> Status {
        ARROW_ASSIGN_OR_RAISE(rows[fold], RowsOf(fold_of, static_cast<int32_t>(fold), false));
        ARROW_ASSIGN_OR_RAISE(const auto plan,
                              TransformationPlan::Make({fits.fitted[static_cast<size_t>(fold)]},
                                                       columns->schema()));
        ARROW_ASSIGN_OR_RAISE(const auto of_fold, TakeRows(columns, *rows[fold]));
        return TransformTable(*plan, of_fold).Value(&encoded[fold]);
      }));

  // Fold after fold, then back in the order of the rows.
  ARROW_ASSIGN_OR_RAISE(const auto by_fold, arrow::ConcatenateTables(encoded));
  std::vector<int64_t> place(fold_of.size());
  int64_t at = 0;
  for (const auto& fold : rows) {
    for (int64_t i = 0; i < fold->length(); ++i) place[fold->Value(i)] = at++;
  }
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(place));
  ARROW_ASSIGN_OR_RAISE(const auto places, builder.Finish());
  std::shared_ptr<arrow::Table> result = features;
  for (int k = 0; k < by_fold->num_columns(); ++k) {
    ARROW_ASSIGN_OR_RAISE(const auto whole, arrow::Concatenate(by_fold->column(k)->chunks()));
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, arrow::compute::Take(whole, places));
    // A supervised kind makes one column of each, under its name.
    const auto field = by_fold->field(k);
    ARROW_ASSIGN_OR_RAISE(
        result, result->SetColumn(result->schema()->GetFieldIndex(field->name()), field,
                                  std::make_shared<arrow::ChunkedArray>(taken.make_array())));
  }
  return result;
}

}  // namespace tercet
