#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "source/iceberg_plan.h"
#include "source/sql_table.h"

namespace tercet {

/// Files of an Iceberg table that DuckDB doesn't read, Avro's and ORC's, and what of them to read.
struct IcebergRowFiles {
  std::vector<IcebergFile> files;
  int64_t first = 0;                     ///< the number of the first file, of the others one more
  std::vector<IcebergColumn> columns;
  std::map<std::string, int64_t> names;  ///< ids of columns by name, for files without ids
};

/// What the table below calls a column (null in files that don't have it), and whether a row's
/// file has the column.
std::string IcebergColumnName(int64_t id);
std::string IcebergColumnIsThere(int64_t id);

/// Their rows: each column under the names above, and `file_index` and `file_row_number`, as
/// DuckDB's reader of Parquet has them. A part is a file, of which a block (Avro) or some rows
/// (ORC) are in memory; columns not asked for are skipped. Numbers, decimals and times come as the
/// types of today's columns, fields of structs by their ids.
///
/// Parts answer with errors that name the file: IOError and Invalid for a damaged one, TypeError
/// for a column that can't become today's.
std::shared_ptr<SqlTable> MakeIcebergRows(std::shared_ptr<FileSystem> file_system,
                                          IcebergRowFiles files);

}  // namespace tercet
