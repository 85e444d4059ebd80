#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "base/result.h"
#include "catalog/data_source.h"
#include "offline/table.h"
#include "source/sql_session.h"

namespace tercet {

/// How a source is opened, and what its rows are then called.
struct SourceRelation {
  std::string name;  ///< in SQL, after FROM
  SqlLimits limits;
  std::shared_ptr<SqlTables> tables = nullptr;  ///< of ours that the name mentions
};

/// Rows with event times in [start, end), and maybe others.
using RelationOfTimes = std::function<Result<SourceRelation>(std::optional<int64_t> start_us,
                                                             std::optional<int64_t> end_us)>;

/// A source that DuckDB reads. Thread-safe; each call stands on its own.
class SourceQuery {
 public:
  /// `snapshot`: of an Iceberg table, as of which to read it; nullopt: as it is now.
  explicit SourceQuery(DataSource source, std::optional<int64_t> snapshot = std::nullopt)
      : source_(std::move(source)), snapshot_(snapshot) {}
  /// Of a table whose files are known already.
  SourceQuery(DataSource source, RelationOfTimes relation)
      : source_(std::move(source)), relation_(std::move(relation)) {}
  SourceQuery(DataSource source, SourceRelation relation)
      : SourceQuery(std::move(source),
                    [relation = std::move(relation)](auto, auto) { return relation; }) {}

  const DataSource& source() const { return source_; }

  /// A number that changes when the source's files do; 0 for a database over the network. KeyError
  /// when there is no such file.
  Result<int64_t> Fingerprint() const;

  /// The source's columns in order.
  Result<std::shared_ptr<arrow::Schema>> Schema() const;

  /// Of more keys, all rows are read.
  static constexpr int64_t kMostKeysAsked = 1 << 17;

  /// Rows in the source's order: these columns, event times in [start, end), none without a key or
  /// a time. `keys` (primary key columns, at most kMostKeysAsked rows; null: all): rows of these
  /// keys, and maybe of others. The conditions and the choice of columns are the source's own to
  /// make use of.
  Result<std::shared_ptr<arrow::Table>> Read(const std::vector<std::string>& columns,
                                             const TableOptions& options,
                                             std::optional<int64_t> start_us,
                                             std::optional<int64_t> end_us,
                                             const arrow::RecordBatch* keys = nullptr) const;

 private:
  Result<SourceRelation> Relation(std::optional<int64_t> start_us,
                                  std::optional<int64_t> end_us) const;

  const DataSource source_;
  const std::optional<int64_t> snapshot_;
  const RelationOfTimes relation_;  ///< may be null
};

}  // namespace tercet
