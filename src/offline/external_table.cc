#include "offline/external_table.h"

#include <mutex>

#include "offline/external_hudi.h"
#include "offline/external_iceberg.h"
#include "offline/read_only_table.h"
#include "offline/source_snapshot.h"

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

}  // namespace

Result<std::shared_ptr<Table>> OpenExternalTable(std::shared_ptr<FileSystem> file_system,
                                                 const DataSource& source,
                                                 const TableOptions& options, const Clock* clock,
                                                 int64_t memory_bytes) {
  std::shared_ptr<Table> table;
  if (source.kind == "delta") {
    ARROW_ASSIGN_OR_RAISE(
        auto delta, Table::Open(std::move(file_system), source.location, options, clock));
    table = std::make_shared<ExternalDelta>(source, std::move(delta));
  } else if (source.kind == "iceberg") {
    table = MakeExternalIceberg(std::move(file_system), source, options);
  } else if (source.kind == "hudi") {
    table = MakeExternalHudi(std::move(file_system), source, options, memory_bytes);
  } else {
    table = std::make_shared<ExternalSource>(source, options, clock);
  }
  // Says now rather than in the middle of a training run that nothing is there.
  ARROW_RETURN_NOT_OK(table->Head().status());
  return table;
}

}  // namespace tercet
