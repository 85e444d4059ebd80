#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// A column of an Iceberg table, as DuckDB types it.
struct IcebergColumn {
  int64_t id = 0;  ///< by which files have it, whatever its name was when they were written
  std::string name;
  std::string type;           ///< in SQL
  std::string initial_value;  ///< in SQL: of rows in files that are older than the column
  /// In Arrow, as we read it where DuckDB doesn't: fields of structs have their ids (field_id.h),
  /// and UUIDs are texts.
  std::shared_ptr<arrow::DataType> arrow_type = nullptr;
};

/// The columns of the table's schemas by their ids.
using IcebergSchemas = std::map<int64_t, std::vector<IcebergColumn>>;

/// Reads the member `schemas` of a metadata file
/// (https://iceberg.apache.org/spec/#schemas-and-data-types). Invalid for what is no such list;
/// NotImplemented for a type that DuckDB doesn't have, and for what is told apart by ids below a
/// column: a nested field that was renamed, or whose name another one had, or with a value of its
/// own for old rows.
Result<IcebergSchemas> ReadIcebergSchemas(const json::object& metadata);

}  // namespace tercet
