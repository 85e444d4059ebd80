#include "offline/external_table.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "offline/external_hudi.h"
#include "offline/read_only_table.h"
#include "offline/source_snapshot.h"
#include "source/iceberg_metadata.h"

namespace tercet {
namespace {

/// A Delta table that others write.
class ExternalDelta : public ReadOnlyTable {
 public:
  ExternalDelta(DataSource source, std::shared_ptr<Table> table)
      : ReadOnlyTable(std::move(source)), table_(std::move(table)) {}

  Result<std::shared_ptr<Snapshot>> Head() override { return table_->Head(); }
  Result<std::shared_ptr<Snapshot>> AtVersion(int64_t version) override {
    return table_->AtVersion(version);
  }
  Result<std::shared_ptr<Snapshot>> AtTime(int64_t time_us) override {
    return table_->AtTime(time_us);
  }
  Result<std::vector<Commit>> Commits() override { return table_->Commits(); }
  Result<std::shared_ptr<arrow::RecordBatchReader>> Changes(int64_t since,
                                                            int64_t until) override {
    return table_->Changes(since, until);
  }

 private:
  const std::shared_ptr<Table> table_;
};

/// A source that DuckDB reads. Its only version is the present.
class ExternalSource : public ReadOnlyTable {
 public:
  ExternalSource(const DataSource& source, TableOptions options, const Clock* clock)
      : ReadOnlyTable(source),
        query_(std::make_shared<SourceQuery>(source)),
        options_(std::move(options)),
        clock_(clock) {}

  Result<std::shared_ptr<Snapshot>> Head() override {
    ARROW_ASSIGN_OR_RAISE(const int64_t fingerprint, query_->Fingerprint());
    std::shared_ptr<arrow::Schema> schema;
    {
      const std::lock_guard lock(mutex_);
      if (fingerprint == fingerprint_) schema = schema_;
    }
    if (schema == nullptr) {
      ARROW_ASSIGN_OR_RAISE(schema, query_->Schema());
      const std::lock_guard lock(mutex_);
      fingerprint_ = fingerprint;
      schema_ = schema;
    }
    // A new one at each call: what a snapshot keeps in memory goes with its readers.
    return std::make_shared<SourceSnapshot>(query_, std::move(schema), options_, fingerprint,
                                            clock_->NowMicros());
  }

  Result<std::shared_ptr<Snapshot>> AtVersion(int64_t version) override {
    ARROW_ASSIGN_OR_RAISE(auto head, Head());
    if (head->version() == version) return head;
    return Status::KeyError("the files of ", source().ToText(),
                            " have changed since they were read as version ", version,
                            "; an external source other than Delta, Hudi and Iceberg keeps no "
                            "history");
  }

  Result<std::shared_ptr<Snapshot>> AtTime(int64_t) override {
    return Status::NotImplemented("an external group of ", source().ToText(),
                                  " has no history: it is read as it is now");
  }

  Result<std::vector<Commit>> Commits() override { return std::vector<Commit>(); }

  Result<std::shared_ptr<arrow::RecordBatchReader>> Changes(int64_t, int64_t) override {
    return Status::NotImplemented("an external group of ", source().ToText(),
                                  " has no history: it tells no changes");
  }

 private:
  const std::shared_ptr<const SourceQuery> query_;
  const TableOptions options_;
  const Clock* const clock_;
  std::mutex mutex_;
  int64_t fingerprint_ = -1;               // guarded by mutex_
  std::shared_ptr<arrow::Schema> schema_;  // of the fingerprint; guarded by mutex_
};

/// An Iceberg table: its versions are the ids of Iceberg's snapshots, 0 while there is none.
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
    // By its metadata file, so that rows and snapshots are of one state of the table.
    DataSource file = source();
    file.location = metadata.file;
    const auto query = std::make_shared<SourceQuery>(
        std::move(file), empty ? std::nullopt : std::optional(version));
    std::shared_ptr<arrow::Schema> schema;
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = schemas_.find(version); known != schemas_.end()) {
        schema = known->second;
      }
    }
    if (schema == nullptr) {
      if (!empty && found->equality_deletes != 0) {
        ARROW_ASSIGN_OR_RAISE(const bool deleted, query->HasEqualityDeletes());
        if (deleted) return RefuseEqualityDeletes(version);
      }
      ARROW_ASSIGN_OR_RAISE(schema, query->Schema());
      const std::lock_guard lock(mutex_);
      // Of a table without rows the columns may change while its version does not.
      if (!empty) schemas_[version] = schema;
    }
    return std::make_shared<SourceSnapshot>(query, std::move(schema), options_, version,
                                            empty ? 0 : found->time_us);
  }

  Status RefuseEqualityDeletes(int64_t version) const {
    return Status::NotImplemented(
        source().ToText(), " has rows deleted by equality in its snapshot ", version,
        ", as streaming writers do, which are not read; rewrite its files (in Spark SQL: CALL "
        "….system.rewrite_data_files(table => '…', options => map('delete-file-threshold', '1', "
        "'remove-dangling-deletes', 'true')))");
  }

  const std::shared_ptr<FileSystem> file_system_;
  const TableOptions options_;
  std::mutex mutex_;
  std::map<int64_t, std::shared_ptr<arrow::Schema>> schemas_;  // by snapshot; guarded by mutex_
};

}  // namespace

Result<std::shared_ptr<Table>> OpenExternalTable(std::shared_ptr<FileSystem> file_system,
                                                 const DataSource& source,
                                                 const TableOptions& options, const Clock* clock) {
  std::shared_ptr<Table> table;
  if (source.kind == "delta") {
    ARROW_ASSIGN_OR_RAISE(
        auto delta, Table::Open(std::move(file_system), source.location, options, clock));
    table = std::make_shared<ExternalDelta>(source, std::move(delta));
  } else if (source.kind == "iceberg") {
    table = std::make_shared<ExternalIceberg>(std::move(file_system), source, options);
  } else if (source.kind == "hudi") {
    table = MakeExternalHudi(std::move(file_system), source, options);
  } else {
    table = std::make_shared<ExternalSource>(source, options, clock);
  }
  // Says now rather than in the middle of a training run that nothing is there.
  ARROW_RETURN_NOT_OK(table->Head().status());
  return table;
}

}  // namespace tercet
