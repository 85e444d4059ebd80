#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "catalog/data_source.h"
#include "offline/table.h"

namespace tercet {

/// A table that another system writes: refuses all that would.
class ReadOnlyTable : public Table {
 public:
  explicit ReadOnlyTable(DataSource source) : source_(std::move(source)) {}

  Result<Commit> Write(const std::shared_ptr<arrow::RecordBatchReader>&,
                       const WriteOptions&) override {
    return Refuse("inserted into");
  }
  Result<Commit> WriteSpooled(std::shared_ptr<const RowSpool>, const WriteOptions&) override {
    return Refuse("inserted into");
  }
  Result<Commit> Delete(const std::shared_ptr<arrow::RecordBatchReader>&) override {
    return Refuse("deleted from");
  }
  Result<Commit> Compact() override { return Refuse("compacted"); }
  Result<bool> CompactionDue() override { return false; }
  Result<Commit> Alter(const TableAlteration&) override { return Refuse("altered"); }
  Result<VacuumReport> Vacuum(const VacuumRequest&, const std::set<int64_t>&) override {
    return Refuse("vacuumed");
  }
  Result<TableErasure> Erase(const std::shared_ptr<arrow::RecordBatch>&) override {
    return Refuse("erased from");
  }
  const std::string& path() const override { return source_.location; }

 protected:
  Status Refuse(const char* what) const {
    return Status::NotImplemented("an external feature group is not ", what,
                                  " here: its rows are kept by another system (", source_.ToText(),
                                  ")");
  }
  const DataSource& source() const { return source_; }

 private:
  const DataSource source_;
};

}  // namespace tercet
