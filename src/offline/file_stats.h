#pragma once

#include <string>

#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// Delta's per-file statistics (`add.stats`) of a batch of stored types, as JSON text:
/// numRecords, minValues, maxValues, nullCount. Bounds hold in every engine's ordering: text is cut
/// at characters, times at milliseconds, both rounded up for the maximum; columns with NaN or
/// without bounds in JSON (infinities, binary, lists) have none.
Result<std::string> StatsText(const arrow::RecordBatch& stored);

}  // namespace tercet
