#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// A part of a table's rows, opened when its turn comes.
using SqlPart = std::function<Result<std::shared_ptr<arrow::RecordBatchReader>>()>;

/// A table that a query reads: columns by name, as Arrow batches. Read from any thread.
class SqlTable {
 public:
  virtual ~SqlTable() = default;

  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;

  /// About how many rows, for the planner; nullopt when nobody knows.
  virtual std::optional<int64_t> row_count() const = 0;

  /// Told before Parts which columns the query looks at; none where it just counts rows.
  virtual void WillRead(const std::vector<std::string>& /*columns*/) {}

  /// The rows as at most `count` parts that can be read at once, in the table's order one after
  /// the other. Batches have the named columns (at least one) in that order.
  virtual Result<std::vector<SqlPart>> Parts(const std::vector<std::string>& columns,
                                             int count) = 0;
};

/// What names in a query stand for. Called while the query is planned, from any thread.
class SqlTables {
 public:
  virtual ~SqlTables() = default;

  /// Null when the name is none of ours, so that the engine may know it. An error ends the query.
  virtual Result<std::shared_ptr<SqlTable>> Find(const std::string& name) = 0;

  /// The table as of a commit or a commit time, as a query's text says it.
  virtual Result<std::shared_ptr<SqlTable>> FindAsOf(const std::string& name,
                                                     const std::string& as_of) = 0;
};

}  // namespace tercet
