#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "offline/change.h"
#include "offline/delta_log.h"
#include "offline/table.h"
#include "offline/table_snapshot.h"

namespace tercet {

/// The Table that Create and Open make.
class DeltaTable : public Table {
 public:
  DeltaTable(std::shared_ptr<FileSystem> file_system, std::string path, TableOptions given,
             const Clock* clock, WriteMemory memory = {});

  Result<std::shared_ptr<Snapshot>> Head() override;
  Result<std::shared_ptr<Snapshot>> AtVersion(int64_t version) override;
  Result<std::shared_ptr<Snapshot>> AtTime(int64_t time_us) override;
  Result<Commit> Write(const std::shared_ptr<arrow::RecordBatchReader>& rows,
                       const WriteOptions& options) override;
  Result<Commit> WriteSpooled(std::shared_ptr<const RowSpool> rows,
                              const WriteOptions& options) override;
  Result<Commit> Delete(const std::shared_ptr<arrow::RecordBatchReader>& keys) override;
  Result<std::vector<Commit>> Commits() override;
  Result<std::shared_ptr<arrow::RecordBatchReader>> Changes(int64_t since, int64_t until) override;
  Result<Commit> Compact() override;
  Result<bool> CompactionDue() override;
  Result<Commit> Alter(const TableAlteration& alteration) override;
  Result<VacuumReport> Vacuum(const VacuumRequest& request,
                              const std::set<int64_t>& pinned) override;
  Result<TableErasure> Erase(const std::shared_ptr<arrow::RecordBatch>& keys) override;
  const std::string& path() const override { return path_; }

  /// The newest snapshot, as what it is.
  Result<std::shared_ptr<TableSnapshot>> HeadSnapshot();

 private:
  Result<TableStatePtr> HeadState();
  /// Plans the change on the newest state and commits it, again and again until it is first.
  Result<Commit> Apply(Change* change, const TableState& made_for,
                       const std::string& idempotency_key);
  Result<Commit> CommitOf(int64_t version);
  /// Where one of the versions from `committed` to the state's is due for a checkpoint, writes one
  /// of the state: under many writers the newest is seldom just the one that is due.
  void CheckpointIfDue(int64_t committed, const TableState& state) const;
  std::shared_ptr<TableSnapshot> SnapshotOf(TableStatePtr state) const;
  ChangeContext context() const { return {file_system_, path_, clock_, memory_}; }
  /// The commit of an earlier write with this key; nullopt when there is none.
  Result<std::optional<Commit>> AppliedBefore(const TableState& state, const std::string& key);
  Result<Commit> WriteSpooledOn(TableStatePtr state, std::shared_ptr<const RowSpool> rows,
                                const WriteOptions& options);

  const std::shared_ptr<FileSystem> file_system_;
  const std::string path_;
  const TableOptions given_;
  const Clock* const clock_;
  const WriteMemory memory_;
  const DeltaLog log_;

  std::mutex commit_mutex_;  ///< this process's writers queue here rather than race on disk
  std::mutex mutex_;
  std::shared_ptr<TableSnapshot> head_;  // guarded by mutex_
  FileInfo head_file_;                   // guarded by mutex_; of the head's commit
  std::map<int64_t, std::shared_ptr<TableSnapshot>> older_;  // guarded by mutex_; a few, by version
  std::vector<Commit> history_;   // guarded by mutex_; of versions history_first_ …
  std::string history_table_id_;  // guarded by mutex_
};

/// Commits as `commits()` lists them, of log versions in order; times made monotonic after
/// `previous_time_us`.
Commit DescribeCommit(const LogCommit& commit, int64_t previous_time_us);

}  // namespace tercet
