#pragma once

#include <memory>

#include "base/file_system.h"
#include "catalog/data_source.h"
#include "offline/table.h"

namespace tercet {

/// The table of an external group that Apache Iceberg keeps: its versions are the ids of Iceberg's
/// snapshots, 0 while there is none, with the columns of each. Which files and deletes count is
/// ours to find (source/iceberg_plan.h), and their rows DuckDB's to read. What our plans don't
/// know is left to DuckDB's extension for Iceberg, where that is installed and reads it right.
std::shared_ptr<Table> MakeExternalIceberg(std::shared_ptr<FileSystem> file_system,
                                           const DataSource& source, const TableOptions& options);

}  // namespace tercet
