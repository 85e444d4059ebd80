#include "offline/external_iceberg.h"

#include <algorithm>
#include <map>
#include <mutex>

#include <arrow/builder.h>
#include <arrow/table.h>

#include "offline/deletion_vector.h"
#include "offline/read_only_table.h"
#include "offline/source_snapshot.h"
#include "source/iceberg_metadata.h"
#include "source/iceberg_plan.h"
#include "source/iceberg_relation.h"
#include "source/iceberg_rows.h"
#include "source/sql_lazy_tables.h"

namespace tercet {
namespace {

constexpr char kVectors[] = "vectors";
/// A vector of Iceberg's is framed by its length and a checksum, of four bytes each.
constexpr int64_t kVectorFrame = 8;

std::shared_ptr<arrow::Schema> VectorSchema() {
  return arrow::schema({arrow::field("file", arrow::int64()),
                        arrow::field("position", arrow::int64())});
}

Result<std::shared_ptr<arrow::Table>> ColumnsOf(const arrow::Table& table,
                                                const std::vector<std::string>& columns) {
  std::vector<int> wanted;
  for (const std::string& column : columns) {
    wanted.push_back(table.schema()->GetFieldIndex(column));
  }
  return table.SelectColumns(wanted);
}

/// The rows that a plan's deletion vectors delete, by the index of their file in plan.data.
Result<std::shared_ptr<arrow::Table>> ReadVectors(FileSystem* file_system, const IcebergPlan& plan,
                                                  const std::vector<std::string>& columns) {
  std::map<std::string, const IcebergFile*> vectors;  // by the file that they are of
  for (const IcebergFile& file : plan.position_deletes) {
    if (file.vector_offset) vectors[*file.referenced] = &file;
  }
  arrow::Int64Builder files, positions;
  for (size_t i = 0; i < plan.data.size(); ++i) {
    const auto found = vectors.find(plan.data[i].listed);
    if (found == vectors.end() || !found->second->MayHavePositionsOf(plan.data[i])) continue;
    const IcebergFile& file = *found->second;
    VectorPointer pointer;
    pointer.offset = file.vector_offset;
    pointer.size_bytes = *file.vector_bytes - kVectorFrame;
    pointer.cardinality = file.row_count;
    ARROW_ASSIGN_OR_RAISE(const DeletedRows rows, ReadVectorAt(file_system, file.path, pointer));
    for (const int64_t row : rows) {
      ARROW_RETURN_NOT_OK(files.Append(static_cast<int64_t>(i)));
      ARROW_RETURN_NOT_OK(positions.Append(row));
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto file_column, files.Finish());
  ARROW_ASSIGN_OR_RAISE(auto position_column, positions.Finish());
  const auto table = arrow::Table::Make(
      VectorSchema(), arrow::ArrayVector{std::move(file_column), std::move(position_column)});
  return ColumnsOf(*table, columns);
}

class ExternalIceberg : public ReadOnlyTable {
 public:
  ExternalIceberg(std::shared_ptr<FileSystem> file_system, const DataSource& source,
                  TableOptions options)
      : ReadOnlyTable(source), file_system_(std::move(file_system)), options_(std::move(options)) {}

  Result<std::shared_ptr<Snapshot>> Head() override {
    ARROW_ASSIGN_OR_RAISE(const IcebergMetadata metadata, Metadata());
    return Open(metadata, metadata.current.value_or(0));
  }

  Result<std::shared_ptr<Snapshot>> AtVersion(int64_t version) override {
    ARROW_ASSIGN_OR_RAISE(const IcebergMetadata metadata, Metadata());
    return Open(metadata, version);
  }

  Result<std::shared_ptr<Snapshot>> AtTime(int64_t time_us) override {
    ARROW_ASSIGN_OR_RAISE(const IcebergMetadata metadata, Metadata());
    const std::vector<IcebergSnapshot> ancestry = metadata.Ancestry();
    for (auto one = ancestry.rbegin(); one != ancestry.rend(); ++one) {
      if (one->time_us <= time_us) return Open(metadata, one->id);
    }
    return Status::KeyError(source().ToText(), " keeps no snapshot of that time");
  }

  Result<std::vector<Commit>> Commits() override {
    ARROW_ASSIGN_OR_RAISE(const IcebergMetadata metadata, Metadata());
    std::vector<Commit> commits;
    for (const IcebergSnapshot& one : metadata.Ancestry()) {
      commits.push_back({.feature_group = {},
                         .version = one.id,
                         .commit_time_us = one.time_us,
                         .operation = one.operation,
                         .rows_inserted = one.rows_added,
                         .rows_deleted = one.rows_deleted});
    }
    return commits;
  }

  Result<std::shared_ptr<arrow::RecordBatchReader>> Changes(int64_t, int64_t) override {
    return Status::NotImplemented("an external group of ", source().ToText(),
                                  " tells no changes; read it as of two of its snapshots");
  }

 private:
  /// What is known of a snapshot, which never changes.
  struct Opened {
    std::shared_ptr<const SourceQuery> query;
    std::shared_ptr<arrow::Schema> schema = nullptr;
  };

  Result<IcebergMetadata> Metadata() const {
    return ReadIcebergMetadata(file_system_.get(), source().location);
  }

  Result<std::shared_ptr<Snapshot>> Open(const IcebergMetadata& metadata, int64_t version) {
    const auto found =
        std::find_if(metadata.snapshots.begin(), metadata.snapshots.end(),
                     [&](const IcebergSnapshot& one) { return one.id == version; });
    const bool empty = version == 0 && !metadata.current;
    if (found == metadata.snapshots.end() && !empty) {
      return Status::KeyError(source().ToText(), " has no snapshot ", version,
                              ": it has expired there, or never was");
    }
    Opened opened;
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = opened_.find(version); known != opened_.end()) opened = known->second;
    }
    if (opened.schema == nullptr) {
      const auto snapshot = empty ? std::nullopt : std::optional(version);
      auto planned = Plan(metadata, snapshot);
      // DuckDB's extension tells nested fields apart by ids, too; of deletes by equality it (1.5.5)
      // takes a null for equal to any value, or ends in an error of its own.
      const bool may_be_asked = empty || found->equality_deletes == 0;
      if (planned.status().IsNotImplemented() && may_be_asked) {
        auto asked = AskExtension(metadata, snapshot);
        if (asked.ok()) planned = std::move(asked);
      }
      ARROW_ASSIGN_OR_RAISE(opened, std::move(planned));
      const std::lock_guard lock(mutex_);
      // Of a table without rows the columns may change while its version does not.
      if (!empty) opened_[version] = opened;
    }
    return std::make_shared<SourceSnapshot>(opened.query, opened.schema, options_, version,
                                            empty ? 0 : found->time_us);
  }

  /// By the metadata file, so that rows and snapshots are of one state of the table.
  Result<Opened> AskExtension(const IcebergMetadata& metadata,
                              const std::optional<int64_t>& snapshot) const {
    DataSource file = source();
    file.location = metadata.file;
    Opened opened{.query = std::make_shared<SourceQuery>(std::move(file), snapshot)};
    ARROW_ASSIGN_OR_RAISE(opened.schema, opened.query->Schema());
    return opened;
  }

  /// By the manifests of a snapshot; nullopt: of a table that has none.
  Result<Opened> Plan(const IcebergMetadata& metadata,
                      const std::optional<int64_t>& snapshot) const {
    ARROW_ASSIGN_OR_RAISE(IcebergPlan read, ReadIcebergPlan(file_system_.get(), metadata.file,
                                                            snapshot, options_.event_time));
    const auto plan = std::make_shared<const IcebergPlan>(std::move(read));
    const auto relate = [file_system = file_system_, plan,
                         folder = IcebergFolder(metadata.file) + "/"](
                            std::optional<int64_t> start_us,
                            std::optional<int64_t> end_us) -> Result<SourceRelation> {
      ARROW_ASSIGN_OR_RAISE(
          IcebergRelation found,
          RelationOf(*plan, "feature_group(" + QuoteSqlText(kVectors) + ")", start_us, end_us));
      const auto tables = std::make_shared<SqlLazyTables>();
      tables->Add(kVectors, VectorSchema(), [file_system, plan](const auto& columns) {
        return ReadVectors(file_system.get(), *plan, columns);
      });
      for (const auto& [name, table] : found.tables) {
        tables->Add(name, table->schema(),
                    [rows = table](const auto& columns) { return ColumnsOf(*rows, columns); });
      }
      for (auto& [name, files] : found.rows) {
        tables->Add(name, MakeIcebergRows(file_system, std::move(files)));
      }
      SourceRelation relation{.name = std::move(found.text), .limits = {}, .tables = tables};
      relation.limits.files = {folder};
      return relation;
    };
    Opened opened{.query = std::make_shared<SourceQuery>(source(), relate)};
    ARROW_ASSIGN_OR_RAISE(opened.schema, opened.query->Schema());
    return opened;
  }

  const std::shared_ptr<FileSystem> file_system_;
  const TableOptions options_;
  std::mutex mutex_;
  std::map<int64_t, Opened> opened_;  // by snapshot; guarded by mutex_
};

}  // namespace

std::shared_ptr<Table> MakeExternalIceberg(std::shared_ptr<FileSystem> file_system,
                                           const DataSource& source, const TableOptions& options) {
  return std::make_shared<ExternalIceberg>(std::move(file_system), source, options);
}

}  // namespace tercet
