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
  std::vector<int> wanted;
  for (const std::string& column : columns) {
    wanted.push_back(table->schema()->GetFieldIndex(column));
  }
  return table->SelectColumns(wanted);
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
    std::shared_ptr<arrow::Schema> schema;
    std::shared_ptr<const SourceQuery> planned;  ///< null: DuckDB's extension reads it
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
    if (opened.schema == nullptr && !empty && found->equality_deletes != 0) {
      ARROW_ASSIGN_OR_RAISE(opened.planned, Plan(metadata, version));
    }
    // Else by the metadata file, so that rows and snapshots are of one state of the table.
    DataSource file = source();
    file.location = metadata.file;
    const auto query = opened.planned != nullptr
                           ? opened.planned
                           : std::make_shared<SourceQuery>(
                                 std::move(file), empty ? std::nullopt : std::optional(version));
    if (opened.schema == nullptr) {
      ARROW_ASSIGN_OR_RAISE(opened.schema, query->Schema());
      const std::lock_guard lock(mutex_);
      // Of a table without rows the columns may change while its version does not.
      if (!empty) opened_[version] = opened;
    }
    return std::make_shared<SourceSnapshot>(query, std::move(opened.schema), options_, version,
                                            empty ? 0 : found->time_us);
  }

  /// How a snapshot is read that has rows deleted by equality; null when it has none. DuckDB's
  /// extension (1.5.5) takes a null for equal to any value there, or ends in an error of its own.
  Result<std::shared_ptr<const SourceQuery>> Plan(const IcebergMetadata& metadata,
                                                  int64_t version) const {
    ARROW_ASSIGN_OR_RAISE(IcebergPlan read,
                          ReadIcebergPlan(file_system_.get(), metadata.file, version));
    if (read.equality_deletes.empty()) return nullptr;
    const auto plan = std::make_shared<const IcebergPlan>(std::move(read));
    const auto tables = std::make_shared<SqlLazyTables>();
    tables->Add(kVectors, VectorSchema(),
                [file_system = file_system_, plan](const std::vector<std::string>& columns) {
                  return ReadVectors(file_system.get(), *plan, columns);
                });
    SourceRelation relation;
    relation.name =
        IcebergRelation(*plan, "feature_group(" + QuoteSqlText(kVectors) + ")");
    relation.limits.files = {IcebergFolder(metadata.file) + "/"};
    relation.tables = tables;
    return std::make_shared<const SourceQuery>(source(), std::move(relation));
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
