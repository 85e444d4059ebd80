#include "source/sql_lazy_tables.h"

#include <algorithm>

namespace tercet {
namespace {

class LazyTable : public SqlTable {
 public:
  LazyTable(std::shared_ptr<arrow::Schema> schema, SqlLazyTables::Maker make)
      : schema_(std::move(schema)), make_(std::move(make)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  std::optional<int64_t> row_count() const override { return std::nullopt; }

  Result<std::vector<SqlPart>> Parts(const std::vector<std::string>& columns,
                                     int count) override {
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Table> rows, make_(columns));
    std::vector<SqlPart> parts;
    const int64_t step = std::max<int64_t>((rows->num_rows() + count - 1) / count, 1);
    for (int64_t row = 0; row < rows->num_rows(); row += step) {
      parts.push_back([part = rows->Slice(row, step)]()
                          -> Result<std::shared_ptr<arrow::RecordBatchReader>> {
        return std::make_shared<arrow::TableBatchReader>(part);
      });
    }
    return parts;
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  const SqlLazyTables::Maker make_;
};

}  // namespace

Result<std::shared_ptr<SqlTable>> SqlLazyTables::Find(const std::string& name) {
  if (const auto read = read_.find(name); read != read_.end()) return read->second;
  const auto found = tables_.find(name);
  if (found == tables_.end()) return others_ == nullptr ? nullptr : others_->Find(name);
  return std::make_shared<LazyTable>(found->second.first, found->second.second);
}

Result<std::shared_ptr<SqlTable>> SqlLazyTables::FindAsOf(const std::string& name,
                                                          const std::string&) {
  return Status::NotImplemented("the table '", name, "' has no history");
}

}  // namespace tercet
