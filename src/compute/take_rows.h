#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// The rows with these numbers, in their order; a row may be named more than once. IndexError for a
/// number that the batch doesn't have.
Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(
    const std::shared_ptr<arrow::RecordBatch>& batch, std::span<const int64_t> rows);
Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(
    const std::shared_ptr<arrow::RecordBatch>& batch, std::span<const uint32_t> rows);

}  // namespace tercet
