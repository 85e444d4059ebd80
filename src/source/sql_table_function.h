#pragma once

#include <memory>
#include <mutex>

#include "source/duckdb_library.h"
#include "source/sql_table.h"

namespace tercet {

/// What DuckDB's callbacks of one session share. It outlives the database.
struct SqlBinding {
  const DuckDbLibrary* duck = nullptr;
  /// For conversions inside of callbacks, while the query holds its own connection.
  duckdb_connection converter = nullptr;
  std::shared_ptr<SqlTables> tables;

  /// Keeps the first failure of a table: DuckDB would make a text of it.
  void Fail(const Status& status) {
    const std::lock_guard lock(mutex);
    if (failure.ok()) failure = status;
  }
  Status first_failure() {
    const std::lock_guard lock(mutex);
    return failure;
  }

  std::mutex mutex;
  Status failure;  // guarded by mutex
};

/// Lets queries on the database name tables of `binding->tables`: alone, or as
/// feature_group('name', as_of := 'commit or time').
Status RegisterSqlTables(duckdb_database database, duckdb_connection connection,
                         SqlBinding* binding);

}  // namespace tercet
