#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "base/result.h"
#include "catalog/data_source.h"
#include "offline/table.h"

namespace tercet {

/// A source that DuckDB reads. Thread-safe; each call stands on its own.
class SourceQuery {
 public:
  /// `snapshot`: of an Iceberg table, as of which to read it; nullopt: as it is now.
  explicit SourceQuery(DataSource source, std::optional<int64_t> snapshot = std::nullopt)
      : source_(std::move(source)), snapshot_(snapshot) {}

  const DataSource& source() const { return source_; }

  /// A number that changes when the source's files do; 0 for a database over the network. KeyError
  /// when there is no such file.
  Result<int64_t> Fingerprint() const;

  /// The source's columns in order.
  Result<std::shared_ptr<arrow::Schema>> Schema() const;

  /// Rows in the source's order: these columns, event times in [start, end), none without a key or
  /// a time. The filter and the choice of columns are the source's own to make use of.
  Result<std::shared_ptr<arrow::Table>> Read(const std::vector<std::string>& columns,
                                             const TableOptions& options,
                                             std::optional<int64_t> start_us,
                                             std::optional<int64_t> end_us) const;

 private:
  const DataSource source_;
  const std::optional<int64_t> snapshot_;
};

}  // namespace tercet
