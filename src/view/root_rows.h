#pragma once

#include <memory>

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "offline/table.h"

namespace tercet {

/// The columns of all rows of a snapshot that a scan gives, in its order. Where the files are
/// sorted runs that follow each other, values go straight from the mapped pages to their place, and
/// each column is one chunk of LargeMemory(); else key ranges are scanned in parallel. KeyError
/// where there is no such column.
Result<std::shared_ptr<arrow::Table>> ReadAllRows(Snapshot* snapshot, const ScanOptions& scan);

/// The same rows as batches, where the files are like that and not too many: of whole row groups,
/// one or as many as have `batch_rows` rows at most, in RecycledMemory(). Else a scan. `snapshot`
/// must outlive the reader.
Result<std::shared_ptr<arrow::RecordBatchReader>> OpenAllRows(Snapshot* snapshot,
                                                              const ScanOptions& scan,
                                                              int64_t batch_rows);

}  // namespace tercet
