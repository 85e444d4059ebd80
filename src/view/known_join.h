#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "view/point_in_time_read.h"
#include "view/view_snapshots.h"

namespace tercet {

/// JoinAsOf by a second clock: each left row sees the group as it was at the last commit at or
/// before the row's own time, so that rows, corrections and deletions that came late change nothing
/// for it. `known_at_us`: n times without nulls; `times_us`: n times as of which rows are seen, or
/// null for a plain key join. A column that the group did not have yet is null.
///
/// The left rows are joined commit by commit with that commit's snapshot, so the cost grows with
/// the number of commits that are the last one of some left row. Invalid unless the group keeps its
/// history; IOError where an erasure took a commit's files.
Result<JoinAnswer> JoinAsKnown(ViewSnapshots* snapshots, const FeatureGroupDefinition& group,
                               const std::vector<std::string>& columns,
                               const std::shared_ptr<arrow::Table>& left_keys,
                               const std::shared_ptr<arrow::Int64Array>& known_at_us,
                               const std::shared_ptr<arrow::Int64Array>& times_us,
                               std::optional<int64_t> ttl_us, const ViewReadOptions& options);

/// Invalid unless the group keeps its history.
Status CheckKeepsHistory(const FeatureGroupDefinition& group);
/// What is wrong with left rows that have no time at which something could be known.
Status NoTimeToKnow();

}  // namespace tercet
