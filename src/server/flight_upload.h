#pragma once

#include <memory>

#include <arrow/flight/server.h>

#include "platform/platform.h"

namespace tercet {

/// The batches of an upload as a reader. Each is checked whole, since its offsets and sizes are
/// the client's. `needs_end`: the stream must end with the metadata message "end", so that a
/// client that dies halfway commits nothing; without it Cancelled.
Result<RecordBatchReader> ReadUpload(std::shared_ptr<arrow::flight::FlightMessageReader> messages,
                                     bool needs_end);

/// Reads what is left of an upload and forgets it. An answer sent while the client still writes
/// would be lost with the client's failed write.
Status DrainUpload(arrow::flight::FlightMessageReader* messages);

/// The metadata message that ends an upload.
inline constexpr std::string_view kUploadEnd = "end";

}  // namespace tercet
