#pragma once

#include <memory>

#include <arrow/table.h>

#include "offline/table.h"

namespace tercet {

/// The columns of all rows of a snapshot that a scan gives, in its order. Where the files are
/// sorted runs that follow each other, values go straight from the mapped pages to their place, and
/// each column is one chunk of LargeMemory(); else key ranges are scanned in parallel. KeyError
/// where there is no such column.
Result<std::shared_ptr<arrow::Table>> ReadAllRows(Snapshot* snapshot, const ScanOptions& scan);

}  // namespace tercet
