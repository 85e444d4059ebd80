#pragma once

#include <memory>
#include <string>

#include <arrow/table.h>

#include "base/result.h"

namespace tercet {

/// Reads a .parquet, .csv (with a header; types are inferred) or .arrow/.ipc/.feather file.
/// Invalid for another ending, KeyError when there is no such file, IOError when it is corrupt.
Result<std::shared_ptr<arrow::Table>> ReadFrameFile(const std::string& path);

/// What is wrong with the name of a file to write; empty when nothing is. For an option's `check`,
/// so that a slip is told before any rows are read.
std::string FrameFileSlip(const std::string& path);

/// Writes one, by the same endings. An existing file is replaced when the new one is whole; when
/// that fails, it stays as it was.
Status WriteFrameFile(const arrow::Table& table, const std::string& path);

}  // namespace tercet
