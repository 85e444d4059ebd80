#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "source/sql_table.h"

namespace tercet {

/// What a query may use.
struct SqlLimits {
  int64_t memory_bytes = 2LL << 30;      ///< of DuckDB's own; beyond it spills to a temporary file
  std::optional<int64_t> time_us;        ///< wall time until the last row; nullopt: no limit
  std::vector<std::string> files;        ///< files, and folders ending in '/', that it may read
  std::vector<std::string> setup;        ///< statements of ours, run before all else is locked
};

/// An in-memory DuckDB for one query: its tables are ours, and it reaches nothing else of the
/// machine than `limits.files`. The configuration is locked, extensions are not loaded, times are
/// in UTC.
///
/// Errors: KeyError for a table or function that is not there, Invalid for text that is no query,
/// CapacityError beyond the memory limit, Cancelled beyond the time limit, and what a table
/// answered as it was. Each shows the query.
class SqlSession : public std::enable_shared_from_this<SqlSession> {
 public:
  /// `tables` may be null. IOError when DuckDB's library is not there.
  static Result<std::shared_ptr<SqlSession>> Open(std::shared_ptr<SqlTables> tables,
                                                  const SqlLimits& limits);
  virtual ~SqlSession() = default;

  /// The query's syntax tree as DuckDB's json_serialize_sql has it; nullopt for a statement that
  /// has none there. One statement that is no SELECT is Invalid.
  virtual Result<std::optional<std::string>> Tree(const std::string& query) = 0;

  /// Runs one SELECT (or VALUES, FROM, WITH, DESCRIBE, EXPLAIN …): rows as they come. `times` are
  /// bound to parameters by name ($watermark) as timestamps with time zone; a parameter without a
  /// value is Invalid. Sums of integers come as int64 (Invalid when one does not fit). The reader
  /// keeps the session; a session runs one query.
  virtual Result<std::shared_ptr<arrow::RecordBatchReader>> Run(
      const std::string& query, const std::map<std::string, int64_t>& times) = 0;
};

/// A name as SQL text: "weather@1" → "\"weather@1\"".
std::string QuoteSqlName(const std::string& name);
/// A text as an SQL literal: it's → 'it''s'.
std::string QuoteSqlText(const std::string& text);
/// A file's path as an SQL literal for functions that take patterns of files, where it stands for
/// that file alone: day[1].csv → 'day[[]1].csv'.
std::string QuoteSqlFile(const std::string& path);

}  // namespace tercet
