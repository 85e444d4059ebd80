#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "offline/row_stream.h"
#include "offline/run_file.h"
#include "offline/table.h"
#include "offline/table_state.h"

namespace tercet {

/// The snapshots that Table gives out. What it has beyond the contract is for readers in other
/// rooms that merge runs themselves (the point-in-time join).
class TableSnapshot : public Snapshot {
 public:
  TableSnapshot(std::shared_ptr<FileSystem> file_system, const std::string& table_path,
                TableStatePtr state);

  int64_t version() const override { return state_->version; }
  int64_t commit_time_us() const override { return state_->commit_time_us; }
  const std::shared_ptr<arrow::Schema>& schema() const override { return state_->columns.logical; }
  const TableOptions& options() const override { return state_->options; }
  int64_t file_count() const override { return state_->files.size(); }
  int64_t total_bytes() const override { return state_->files.total_bytes(); }
  std::optional<int64_t> row_count() const override { return state_->files.row_count(); }
  ColumnDefaults defaults() const override { return state_->defaults; }
  std::map<std::string, std::string> properties() const override {
    return state_->metadata.configuration;
  }

  Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanOptions& options) override;
  Result<std::shared_ptr<arrow::RecordBatchReader>> ScanRange(const ScanOptions& options,
                                                              const KeyRange& range) override;
  Result<std::vector<KeyRange>> Partition(int count) override;
  Result<std::shared_ptr<arrow::RecordBatchReader>> Lookup(
      const std::shared_ptr<arrow::RecordBatch>& keys, const ScanOptions& options) override;

  /// The files, older rows first; each with its key and time range where it is a sorted run.
  Result<std::vector<DataFilePtr>> Files() override;
  Result<std::shared_ptr<RunFile>> OpenFile(const DataFilePtr& file) override;

  const TableStatePtr& state() const { return state_; }
  const std::shared_ptr<const RunOpener>& opener() const { return opener_; }

 private:
  Result<RunRequest> RequestOf(const ScanOptions& options) const;
  Result<std::shared_ptr<arrow::RecordBatchReader>> Read(const ScanOptions& options,
                                                         RunRequest request) const;

  const TableStatePtr state_;
  const std::shared_ptr<const RunOpener> opener_;
  std::mutex mutex_;
  /// Files that stay open, and mapped, as long as the snapshot: a join piece by piece asks for them
  /// again and again. By AddFile::Key(), for entries are made anew. Guarded by mutex_.
  std::map<std::string, std::shared_ptr<RunFile>> open_;
};

/// A stream as Arrow's reader, in batches of at most `batch_rows`.
std::shared_ptr<arrow::RecordBatchReader> ToReader(std::unique_ptr<RowStream> stream,
                                                   std::shared_ptr<arrow::Schema> schema,
                                                   int64_t batch_rows);

}  // namespace tercet
