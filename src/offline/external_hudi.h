#pragma once

#include <cstdint>
#include <memory>

#include "base/file_system.h"
#include "catalog/data_source.h"
#include "offline/table.h"

namespace tercet {

/// The table of an external group that Apache Hudi keeps, in a folder of ours to read. Its versions
/// are the names of its completed writes, as numbers (20240301120000123), 0 while there is none;
/// each has the columns that the table had then. Which files count is ours to find
/// (source/hudi_files.h), and what their logs make of them (source/hudi_merge.h); their rows are
/// DuckDB's to read. Records of log files take up to `memory_bytes` in a read; a read of more is a
/// CapacityError.
std::shared_ptr<Table> MakeExternalHudi(std::shared_ptr<FileSystem> file_system,
                                        const DataSource& source, const TableOptions& options,
                                        int64_t memory_bytes);

}  // namespace tercet
