#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "catalog/online_rows.h"
#include "view/view_plan.h"

namespace tercet {

struct VectorAnswer {
  std::shared_ptr<arrow::RecordBatch> features;  ///< n rows of plan.feature_schema()
  std::shared_ptr<arrow::RecordBatch> helpers;   ///< n rows of plan.helper_schema()
  /// status[f][i]: of feature f in row i. Passed-in values and on-demand features are present.
  std::vector<std::vector<RowStatus>> status;
};

/// Feature vectors by key as of a time, from the online rows, with the view's on-demand features:
/// the online twin of ReadView. `entities` has n rows: entity keys, request parameters, and any
/// view column passed in (which then is not looked up). `event_times_us`: n. Labels and helper
/// columns that only training has are null. Invalid for a missing entity column, with what there
/// is; TypeError for a value that does not fit.
Result<VectorAnswer> ReadVectors(const ViewPlan& plan, OnlineRows* online,
                                 const std::shared_ptr<arrow::RecordBatch>& entities,
                                 const std::vector<int64_t>& event_times_us);

}  // namespace tercet
