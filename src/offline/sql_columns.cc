#include "offline/sql_columns.h"

#include <mutex>
#include <optional>

#include "offline/sql_feature_tables.h"
#include "source/sql_session.h"

namespace tercet {
namespace {

/// Which columns of which tables were asked for.
class Asked {
 public:
  void Add(const std::string& group, const std::vector<std::string>& columns) {
    const std::lock_guard lock(mutex_);
    for (const std::string& column : columns) columns_.emplace(group, column);
  }
  std::set<GroupColumn> columns() {
    const std::lock_guard lock(mutex_);
    return columns_;
  }

 private:
  std::mutex mutex_;
  std::set<GroupColumn> columns_;  // guarded by mutex_
};

/// A table without rows that notes what is read of it.
class AskedTable : public SqlTable {
 public:
  AskedTable(std::string group, std::shared_ptr<arrow::Schema> schema, std::optional<int64_t> rows,
             std::shared_ptr<Asked> asked)
      : group_(std::move(group)),
        schema_(std::move(schema)),
        rows_(rows),
        asked_(std::move(asked)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  /// As it is: a planner that knows a table to be empty would read nothing.
  std::optional<int64_t> row_count() const override { return rows_; }
  void WillRead(const std::vector<std::string>& columns) override {
    asked_->Add(group_, columns);
  }
  Result<std::vector<SqlPart>> Parts(const std::vector<std::string>& /*columns*/,
                                     int /*count*/) override {
    return std::vector<SqlPart>();
  }

 private:
  const std::string group_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::optional<int64_t> rows_;
  const std::shared_ptr<Asked> asked_;
};

class AskedTables : public SqlTables {
 public:
  AskedTables(FeatureTables* tables, std::shared_ptr<Asked> asked)
      : found_(tables, {}, std::nullopt), asked_(std::move(asked)) {}

  Result<std::shared_ptr<SqlTable>> Find(const std::string& name) override {
    ARROW_ASSIGN_OR_RAISE(const auto table, found_.Find(name));
    if (table == nullptr) return nullptr;
    return Noting(name, *table);
  }
  Result<std::shared_ptr<SqlTable>> FindAsOf(const std::string& name,
                                             const std::string& as_of) override {
    ARROW_ASSIGN_OR_RAISE(const auto table, found_.FindAsOf(name, as_of));
    return Noting(name, *table);
  }

 private:
  Result<std::shared_ptr<SqlTable>> Noting(const std::string& name, const SqlTable& table) {
    ARROW_ASSIGN_OR_RAISE(const std::string group, found_.GroupOf(name));
    return std::make_shared<AskedTable>(group, table.schema(), table.row_count(), asked_);
  }

  SqlFeatureTables found_;
  const std::shared_ptr<Asked> asked_;
};

class Prober {
 public:
  Prober(FeatureTables* tables, const std::map<std::string, int64_t>& times)
      : tables_(tables), times_(times) {}

  /// What a query reads; the names of its columns go to `columns`.
  Result<std::set<GroupColumn>> Ask(const std::string& query, std::vector<std::string>* columns) {
    const auto asked = std::make_shared<Asked>();
    ARROW_ASSIGN_OR_RAISE(
        const auto session,
        SqlSession::Open(std::make_shared<AskedTables>(tables_, asked), SqlLimits{}));
    ARROW_ASSIGN_OR_RAISE(const auto rows, session->Run(query, times_));
    if (columns != nullptr) *columns = rows->schema()->field_names();
    ARROW_RETURN_NOT_OK(rows->ToTable().status());
    return asked->columns();
  }

 private:
  FeatureTables* const tables_;
  const std::map<std::string, int64_t>& times_;
};

}  // namespace

Result<SqlColumns> FindSqlColumns(FeatureTables* tables, const std::string& query,
                                  const std::map<std::string, int64_t>& times) {
  Prober prober(tables, times);
  std::vector<std::string> names;
  ARROW_RETURN_NOT_OK(prober.Ask(query, &names).status());
  SqlColumns found;
  ARROW_ASSIGN_OR_RAISE(found.rows,
                        prober.Ask("SELECT count(*) FROM (" + query + "\n)", nullptr));
  std::map<std::string, std::set<GroupColumn>> reads;
  for (const std::string& name : names) {
    ARROW_ASSIGN_OR_RAISE(
        reads[name],
        prober.Ask("SELECT " + QuoteSqlName(name) + " FROM (" + query + "\n)", nullptr));
    // What decides on rows is read whichever column is asked for. To count rows alone, the planner
    // reads a table's first column without looking at it.
    std::erase_if(found.rows,
                  [&](const GroupColumn& column) { return !reads[name].contains(column); });
  }
  for (const auto& [name, read] : reads) {
    std::set<GroupColumn> own;
    for (const GroupColumn& column : read) {
      if (!found.rows.contains(column)) own.insert(column);
    }
    found.columns[name] = own.empty() ? read : own;
  }
  return found;
}

}  // namespace tercet
