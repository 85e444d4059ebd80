#pragma once

#include <memory>
#include <string>

#include <arrow/table.h>

#include "base/result.h"

namespace tercet {

/// Reads a .parquet, .csv (with a header; types are inferred) or .arrow/.ipc/.feather file.
/// Invalid for another ending, KeyError when there is no such file, IOError when it is corrupt.
Result<std::shared_ptr<arrow::Table>> ReadFrameFile(const std::string& path);

/// Writes one, by the same endings. An existing file is replaced.
Status WriteFrameFile(const arrow::Table& table, const std::string& path);

}  // namespace tercet
