#pragma once

#include <memory>
#include <string>

#include <arrow/table.h>

#include "base/result.h"

namespace tercet {

/// The same values in the one form that a training dataset's bytes have: each column is one chunk
/// at offset 0, has a validity bitmap only where it has nulls, zeros under its nulls and in the
/// padding of bitmaps, and offsets that start at 0. Dictionaries and views are written out as plain
/// values; metadata of schema and fields is left out. So equal values have equal buffers, whatever
/// computed them.
Result<std::shared_ptr<arrow::Table>> CanonicalTable(const arrow::Table& table);

/// SHA-256 of the Arrow IPC stream of a canonical table in batches of 65,536 rows, uncompressed:
/// the content address of a training dataset's part. Nothing is held but one batch.
Result<std::string> ContentAddress(const arrow::Table& canonical);

}  // namespace tercet
