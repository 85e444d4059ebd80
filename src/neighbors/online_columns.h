#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "catalog/feature_group.h"
#include "catalog/online_rows.h"

namespace tercet {

/// Rows of a group as they are online: like RowsAnswer, with the columns of its key and its event
/// time among the others.
struct OnlineColumns {
  std::shared_ptr<arrow::RecordBatch> rows;  ///< of the names asked for; null unless present
  std::vector<RowStatus> status;
  std::vector<int64_t> event_times_us;
  int64_t commit = -1;
};

/// Reads rows by key as of a time. `names`: of any of the group's columns.
Result<OnlineColumns> ReadOnline(OnlineRows* online, const FeatureGroupDefinition& group,
                                 const std::shared_ptr<arrow::RecordBatch>& keys,
                                 const std::vector<std::string>& names, int64_t time_us);

/// The commit up to which a group is applied online; −1 when nothing is.
Result<int64_t> OnlineCommit(OnlineRows* online, const FeatureGroupDefinition& group);

/// The schema of a group's key, in the order of its declaration.
std::shared_ptr<arrow::Schema> KeySchema(const FeatureGroupDefinition& group);

}  // namespace tercet
