#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/table.h>

#include "source/sql_table.h"

namespace tercet {

/// Tables that are made when a query reads them, not when it is planned.
class SqlLazyTables : public SqlTables {
 public:
  /// `others`: those that have no name of ours; may be null.
  explicit SqlLazyTables(std::shared_ptr<SqlTables> others = nullptr)
      : others_(std::move(others)) {}

  /// Makes a table of just these columns, in this order. Called once for each time that a query
  /// names the table, from any thread.
  using Maker = std::function<Result<std::shared_ptr<arrow::Table>>(
      const std::vector<std::string>& columns)>;

  void Add(const std::string& name, std::shared_ptr<arrow::Schema> schema, Maker make) {
    tables_[name] = {std::move(schema), std::move(make)};
  }

  /// A table that is read part by part.
  void Add(const std::string& name, std::shared_ptr<SqlTable> table) {
    read_[name] = std::move(table);
  }

  Result<std::shared_ptr<SqlTable>> Find(const std::string& name) override;
  Result<std::shared_ptr<SqlTable>> FindAsOf(const std::string& name,
                                             const std::string& as_of) override;

 private:
  const std::shared_ptr<SqlTables> others_;
  std::map<std::string, std::pair<std::shared_ptr<arrow::Schema>, Maker>> tables_;
  std::map<std::string, std::shared_ptr<SqlTable>> read_;
};

}  // namespace tercet
