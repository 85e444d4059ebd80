#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Where the rows of an external feature group are: read there at each use, never copied.
struct DataSource {
  /// "parquet", "csv", "json", "delta", "hudi", "iceberg", "duckdb" or "postgres".
  std::string kind;
  /// A file, a pattern of files ("/data/*.parquet"), a table's folder, or, for "postgres", a
  /// connection string without a password (PGPASSWORD and ~/.pgpass have those).
  std::string location;
  std::string table;  ///< of a database: "duckdb" and "postgres"; else empty

  bool operator==(const DataSource&) const = default;
  /// {"kind", "location"} and, where there is one, "table".
  json::object ToJson() const;
  static Result<DataSource> FromJson(const json::object& object);
  /// Invalid for an unknown kind (with a suggestion), a missing location or table, a password.
  Status Check() const;
  /// "parquet /data/*.parquet", for messages.
  std::string ToText() const;
};

}  // namespace tercet
