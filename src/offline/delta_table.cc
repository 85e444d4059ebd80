#include "offline/delta_table.h"

#include <algorithm>
#include <random>
#include <thread>

#include "base/id.h"
#include "base/log.h"
#include "offline/position_columns.h"
#include "offline/protocol_features.h"
#include "offline/row_spool.h"
#include "offline/row_tracking.h"
#include "offline/table_property.h"

namespace tercet {
namespace {

constexpr int kMaxAttempts = 200;
constexpr int64_t kCheckpointInterval = 20;
constexpr size_t kOlderSnapshots = 8;

/// Commits from one checkpoint to the next.
int64_t CheckpointInterval(const TableState& state) {
  const std::string* text = state.Property("delta.checkpointInterval");
  const int64_t interval = text == nullptr ? 0 : std::atoll(text->c_str());
  return interval > 0 ? interval : kCheckpointInterval;
}

/// Waits a little, and longer after each loss, so that writers don't stumble over each other.
void BackOff(int attempt) {
  static thread_local std::mt19937 random{std::random_device{}()};
  const int most_ms = std::min(200, 2 << std::min(attempt, 8));
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::uniform_int_distribution<int>(100, most_ms * 1000)(random)));
}

bool SameFile(const FileInfo& a, const FileInfo& b) {
  return a.size_bytes == b.size_bytes && a.modified_us == b.modified_us;
}

CommitInfo MakeCommitInfo(const ChangePlan& plan, int64_t time_us,
                          const std::string& transaction_id) {
  json::object metrics;
  auto count = [&](std::string_view name, int64_t rows) { metrics[name] = std::to_string(rows); };
  if (plan.delta_operation == "WRITE") {
    count("numOutputRows", plan.rows_inserted);
  } else if (plan.delta_operation == "MERGE" || plan.delta_operation == "DELETE") {
    count("numTargetRowsInserted", plan.rows_inserted);
    count("numTargetRowsUpdated", plan.rows_updated);
    count("numTargetRowsDeleted", plan.rows_deleted);
  }
  return {{{"timestamp", time_us / 1000},
           {"operation", plan.delta_operation},
           {"operationParameters", plan.parameters},
           {"operationMetrics", std::move(metrics)},
           {"engineInfo", "tercet"},
           {"isBlindAppend", plan.blind_append},
           {"txnId", transaction_id},
           {"tercet",
            {{"operation", plan.operation},
             {"commit_time_us", time_us},
             {"rows_inserted", plan.rows_inserted},
             {"rows_updated", plan.rows_updated},
             {"rows_deleted", plan.rows_deleted}}}}};
}

Result<std::unique_ptr<Change>> MakeWrite(InsertMode mode, const ChangeContext& context,
                                          const TableState& state, RowSpoolPtr rows) {
  switch (mode) {
    case InsertMode::kAppend:
      return MakeAppend(context, state, *rows);
    case InsertMode::kOverwrite:
      return MakeOverwrite(context, state, *rows);
    case InsertMode::kUpsert:
      break;
  }
  return MakeUpsert(context, state, std::move(rows));
}

/// When the next commit is made: after the one before, and by a whole millisecond where the table
/// counts its commits' times in these.
int64_t TimeOfNext(const TableState& state, int64_t now_us) {
  const int64_t time_us = std::max(now_us, state.commit_time_us + 1);
  if (!HasCommitTimes(state)) return time_us;
  return std::max(time_us, (state.commit_time_us / 1000 + 1) * 1000);
}

/// The whole commit: info first, where readers look for it.
Result<std::vector<Action>> CommitActions(const ChangePlan& plan, const TableState& state,
                                  const std::string& idempotency_key, int64_t time_us,
                                  const std::string& transaction_id) {
  const int64_t version = state.version + 1;
  CommitInfo info = MakeCommitInfo(plan, time_us, transaction_id);
  if (HasCommitTimes(state)) info.fields["inCommitTimestamp"] = time_us / 1000;
  if (TracksRows(state)) {
    info.fields["tags"] = json::object{
        {"delta.rowTracking.preserved", RowsKeepIds(plan.actions) ? "true" : "false"}};
  }
  std::vector<Action> actions{std::move(info)};
  if (!idempotency_key.empty()) {
    // Its version says which commit it was, for the answer to a repetition.
    actions.emplace_back(Transaction{
        .app_id = idempotency_key, .version = version, .last_updated_ms = time_us / 1000});
  }
  for (const Action& action : plan.actions) {
    actions.push_back(action);
    auto* add = std::get_if<AddFile>(&actions.back());
    if (add != nullptr && !add->tags.contains("tercet.version")) PutVersionTag(version, add);
  }
  if (TracksRows(state)) ARROW_RETURN_NOT_OK(AssignRowIds(state, version, &actions));
  return actions;
}

}  // namespace

DeltaTable::DeltaTable(std::shared_ptr<FileSystem> file_system, std::string path,
                       TableOptions given, const Clock* clock, WriteMemory memory)
    : file_system_(std::move(file_system)),
      path_(std::move(path)),
      given_(std::move(given)),
      clock_(clock),
      memory_(std::move(memory)),
      log_(file_system_, path_) {}

std::shared_ptr<TableSnapshot> DeltaTable::SnapshotOf(TableStatePtr state) const {
  return std::make_shared<TableSnapshot>(file_system_, path_, std::move(state));
}

Result<std::shared_ptr<TableSnapshot>> DeltaTable::HeadSnapshot() {
  std::lock_guard lock(mutex_);
  TableStatePtr state;
  if (head_ != nullptr) {
    // The commit that we stopped at is still the same file, unless the table was made anew.
    const Result<FileInfo> found = file_system_->Stat(log_.CommitPath(head_->version()));
    if (found.ok() && SameFile(*found, head_file_)) {
      ARROW_ASSIGN_OR_RAISE(state, log_.Advance(head_->state(), given_));
      if (state == head_->state()) return head_;
    }
  }
  if (state == nullptr) {
    older_.clear();
    ARROW_ASSIGN_OR_RAISE(state, log_.Load(std::nullopt, given_));
  }
  const Result<FileInfo> file = file_system_->Stat(log_.CommitPath(state->version));
  head_file_ = file.ok() ? *file : FileInfo{};
  head_ = SnapshotOf(std::move(state));
  return head_;
}

Result<TableStatePtr> DeltaTable::HeadState() {
  ARROW_ASSIGN_OR_RAISE(const auto head, HeadSnapshot());
  return head->state();
}

Result<std::shared_ptr<Snapshot>> DeltaTable::Head() { return HeadSnapshot(); }

Result<std::shared_ptr<Snapshot>> DeltaTable::AtVersion(int64_t version) {
  ARROW_ASSIGN_OR_RAISE(auto head, HeadSnapshot());
  if (version == head->version()) return head;
  if (version < 0 || version > head->version()) {
    return Status::KeyError("no commit ", version, "; the newest is ", head->version());
  }
  {
    std::lock_guard lock(mutex_);
    if (const auto found = older_.find(version); found != older_.end()) return found->second;
  }
  ARROW_ASSIGN_OR_RAISE(TableStatePtr state, log_.Load(version, given_));
  auto snapshot = SnapshotOf(std::move(state));
  std::lock_guard lock(mutex_);
  // A pinned version is asked for again and again, one a feature group and reader.
  if (older_.size() >= kOlderSnapshots) older_.erase(older_.begin());
  older_[version] = snapshot;
  return snapshot;
}

Result<Commit> DeltaTable::Apply(Change* change, const TableState& made_for,
                                 const std::string& idempotency_key) {
  std::lock_guard lock(commit_mutex_);
  ARROW_ASSIGN_OR_RAISE(TableStatePtr state, HeadState());
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    ARROW_ASSIGN_OR_RAISE(const auto before, AppliedBefore(*state, idempotency_key));
    if (before) return *before;
    ARROW_RETURN_NOT_OK(CheckWritable(*state));
    if (state->metadata.schema_string != made_for.metadata.schema_string ||
        state->metadata.id != made_for.metadata.id) {
      return Status::Cancelled("the table's schema was changed by commit ", state->version,
                               " while this write was under way; try again");
    }
    ARROW_ASSIGN_OR_RAISE(const ChangePlan plan, change->Plan(state));
    if (plan.nothing && idempotency_key.empty()) {
      ARROW_ASSIGN_OR_RAISE(Commit commit, CommitOf(state->version));
      commit.rows_inserted = commit.rows_updated = commit.rows_deleted = 0;
      return commit;
    }
    const std::string transaction_id = NewUuid();
    const int64_t version = state->version + 1;
    const int64_t time_us = TimeOfNext(*state, clock_->NowMicros());
    ARROW_ASSIGN_OR_RAISE(
        const std::vector<Action> actions,
        CommitActions(plan, *state, idempotency_key, time_us, transaction_id));
    ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(path_));
    const Result<bool> won = log_.TryCommit(version, actions, time_us, transaction_id);
    if (!won.ok()) {
      if (HasUnknownOutcome(won.status()) || log_.MayHold(version, transaction_id)) {
        change->files().KeepNamedBy(actions);
      }
      return won.status();
    }
    if (*won) {
      change->files().KeepNamedBy(actions);
      // The commit stands, whatever becomes of its checkpoint.
      const Result<TableStatePtr> newest = HeadState();
      if (newest.ok()) CheckpointIfDue(version, **newest);
      return Commit{.feature_group = {},
                    .version = version,
                    .commit_time_us = time_us,
                    .operation = plan.operation,
                    .rows_inserted = plan.rows_inserted,
                    .rows_updated = plan.rows_updated,
                    .rows_deleted = plan.rows_deleted};
    }
    BackOff(attempt);
    ARROW_ASSIGN_OR_RAISE(state, HeadState());
  }
  return Status::Cancelled("lost the race for a commit ", kMaxAttempts,
                           " times; other writers are too busy, try again later");
}

void DeltaTable::CheckpointIfDue(int64_t committed, const TableState& state) const {
  const int64_t interval = CheckpointInterval(state);
  if (state.version / interval <= (committed - 1) / interval) return;
  const Status written = log_.WriteCheckpoint(state);
  if (!written.ok()) LogWarn("no checkpoint of '" + path_ + "': " + written.message());
}

Result<std::optional<Commit>> DeltaTable::AppliedBefore(const TableState& state,
                                                        const std::string& key) {
  const auto seen = state.transactions.find(key);
  if (key.empty() || seen == state.transactions.end()) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const bool expired, IsExpired(seen->second, state, clock_->NowMicros()));
  if (expired) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(Commit commit, CommitOf(std::min(seen->second.version, state.version)));
  commit.already_applied = true;
  return commit;
}

Result<Commit> DeltaTable::Write(const std::shared_ptr<arrow::RecordBatchReader>& rows,
                                 const WriteOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  ARROW_RETURN_NOT_OK(CheckWritable(*state));
  ARROW_ASSIGN_OR_RAISE(const auto before, AppliedBefore(*state, options.idempotency_key));
  if (before) return *before;
  ARROW_ASSIGN_OR_RAISE(RowSpoolPtr spool,
                        RowSpool::Fill(rows.get(), *state->columns.logical, state->options,
                                       state->defaults, memory_.limit_bytes,
                                       context().scratch_folder()));
  return WriteSpooledOn(state, std::move(spool), options);
}

Result<Commit> DeltaTable::WriteSpooled(RowSpoolPtr rows, const WriteOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  ARROW_RETURN_NOT_OK(CheckWritable(*state));
  ARROW_ASSIGN_OR_RAISE(const auto before, AppliedBefore(*state, options.idempotency_key));
  if (before) return *before;
  return WriteSpooledOn(state, std::move(rows), options);
}

Result<Commit> DeltaTable::WriteSpooledOn(TableStatePtr state, RowSpoolPtr rows,
                                          const WriteOptions& options) {
  while (true) {
    if (!rows->schema()->Equals(*state->columns.logical, /*check_metadata=*/false)) {
      // Columns were added or widened meanwhile: the rows fit the new schema as well as the old.
      ARROW_ASSIGN_OR_RAISE(auto stream, rows->Stream());
      const auto again = ToReader(std::move(stream), rows->schema(), int64_t{1} << 30);
      ARROW_ASSIGN_OR_RAISE(RowSpoolPtr aligned,
                            RowSpool::Fill(again.get(), *state->columns.logical, state->options,
                                           state->defaults, memory_.limit_bytes,
                                           context().scratch_folder()));
      rows = std::move(aligned);
    }
    ARROW_ASSIGN_OR_RAISE(const auto change, MakeWrite(options.mode, context(), *state, rows));
    Result<Commit> commit = Apply(change.get(), *state, options.idempotency_key);
    if (!commit.status().IsCancelled()) return commit;
    ARROW_ASSIGN_OR_RAISE(const TableStatePtr newest, HeadState());
    if (newest->metadata.schema_string == state->metadata.schema_string) return commit;
    state = newest;
  }
}

Result<Commit> DeltaTable::Delete(const std::shared_ptr<arrow::RecordBatchReader>& keys) {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  ARROW_RETURN_NOT_OK(CheckWritable(*state));
  const TableOptions options = OptionsOfKeys(*keys->schema(), state->options);
  arrow::FieldVector fields;
  for (const std::string& name : PositionColumns(options)) {
    fields.push_back(state->columns.logical->GetFieldByName(name));
  }
  ARROW_ASSIGN_OR_RAISE(RowSpoolPtr spool,
                        RowSpool::Fill(keys.get(), arrow::Schema(std::move(fields)), options, {},
                                       memory_.limit_bytes, context().scratch_folder()));
  ARROW_ASSIGN_OR_RAISE(const auto change, MakeDelete(context(), *state, std::move(spool)));
  return Apply(change.get(), *state, {});
}

Result<Commit> DeltaTable::Compact() {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  ARROW_RETURN_NOT_OK(CheckWritable(*state));
  ARROW_ASSIGN_OR_RAISE(const auto change, MakeCompaction(context(), state));
  return Apply(change.get(), *state, {});
}

Result<bool> DeltaTable::CompactionDue() {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  ARROW_ASSIGN_OR_RAISE(const int64_t due, AutoCompactFilesOf(*state));
  if (due == 0 || !CheckWritable(*state).ok()) return false;
  ARROW_ASSIGN_OR_RAISE(const int64_t small, SmallRuns(*state));
  return small >= due;
}

Result<Commit> DeltaTable::Alter(const TableAlteration& alteration) {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  ARROW_RETURN_NOT_OK(CheckWritable(*state));
  ARROW_ASSIGN_OR_RAISE(const auto change, MakeAlteration(context(), *state, alteration));
  return Apply(change.get(), *state, {});
}

}  // namespace tercet
