#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "offline/feature_tables.h"

namespace tercet {

/// The feature group that keeps a deployment's prediction log: "<deployment>_predictions".
std::string PredictionGroupName(const std::string& deployment);

/// The versions of that group, oldest first; empty when nothing was logged yet. Invalid when a
/// group of that name is no prediction log of this deployment.
Result<std::vector<FeatureGroupDefinition>> PredictionGroups(FeatureTables* tables,
                                                             const std::string& deployment);

/// Appends rows (see prediction_rows.h) whose first `keys` columns are the entity's keys. The group
/// is made by the first rows. It grows by the columns that later releases bring; a release with
/// another key, or a column of another type, begins a new version of it. Many small files are
/// merged on the way. IOError when it can't be written now; other errors come again for these rows.
Status AppendPredictions(FeatureTables* tables, const std::string& deployment,
                         const std::shared_ptr<arrow::RecordBatch>& rows, size_t keys);

}  // namespace tercet
