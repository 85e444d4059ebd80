#pragma once

#include <memory>

#include <arrow/table.h>

#include "inference/inference.h"
#include "inference/loaded_release.h"

namespace tercet {

/// Inference::Batch for a release that is loaded. Beside the answer it holds about as much as the
/// memory limit allows, however many rows there are.
Result<std::shared_ptr<arrow::Table>> PredictBatch(const LoadedRelease& loaded,
                                                   FeatureTables* tables,
                                                   const BatchOptions& options);

}  // namespace tercet
