#pragma once

#include <memory>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// A batch as one Arrow IPC stream.
Result<std::shared_ptr<arrow::Buffer>> WriteBatch(const arrow::RecordBatch& batch);

/// Reads one IPC stream of exactly one batch from where `input` stands, and leaves it at its end.
/// Values are aligned for their types, though bytes that came over a wire lie at any address. The
/// batch shares the input's memory. Invalid for no batch or for more. Offsets and sizes are as
/// they came: whoever doesn't trust the writer calls ValidateFull.
Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch(arrow::io::InputStream* input);

/// The same from the start of `bytes`.
Result<std::shared_ptr<arrow::RecordBatch>> ReadBatch(const std::shared_ptr<arrow::Buffer>& bytes);

}  // namespace tercet
