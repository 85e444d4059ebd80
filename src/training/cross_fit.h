#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/table.h>

#include "base/result.h"
#include "catalog/feature_view.h"
#include "compute/transformation.h"

namespace tercet {

/// The training rows of a supervised transformation, encoded out of fold: each row by parameters
/// fitted to the labels of the other folds, so that no row sees its own label. What is fitted to
/// all rows is for other rows only; a model trained on it would trust labels that it had been
/// shown (Micci-Barreca 2001; scikit-learn's TargetEncoder.fit_transform).
///
/// Options: "folds" (5) and "shuffle" (true). A label of two values is spread evenly over the
/// folds. Depends on the rows, their order and the seed only. Invalid for fewer rows than folds.
Result<std::shared_ptr<arrow::Table>> CrossFit(const TransformationDefinition& definition,
                                               const std::shared_ptr<arrow::Table>& features,
                                               const std::shared_ptr<arrow::Table>& labels,
                                               int64_t seed);

/// What CrossFit encodes each row by.
struct FoldFits {
  std::vector<int32_t> fold_of;               ///< of each row
  std::vector<FittedTransformation> fitted;  ///< by fold: to the rows of the others
};
Result<FoldFits> FitFolds(const TransformationDefinition& definition,
                          const std::shared_ptr<arrow::Table>& features,
                          const std::shared_ptr<arrow::Table>& labels, int64_t seed);

}  // namespace tercet
