#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// The rows of these numbers, in this order. Sorting a frame is mostly this: far reads from each
/// column, which are asked for ahead where values are of four or eight bytes (up to twice as fast
/// as Arrow's kernel, which takes the other types).
Result<std::shared_ptr<arrow::RecordBatch>> GatherRows(const arrow::RecordBatch& rows,
                                                       std::span<const uint32_t> numbers);

}  // namespace tercet
