#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "offline/action.h"
#include "offline/table_state.h"

namespace tercet {

struct CheckpointContent;

/// One commit file as read.
struct LogCommit {
  int64_t version = 0;
  int64_t modified_us = 0;
  std::vector<Action> actions;

  /// The commit's info, or an empty object when it has none.
  const json::object& info() const;
};

/// What `_last_checkpoint` says. Only a hint.
struct LastCheckpoint {
  int64_t version = 0;
  std::optional<int64_t> parts;
};
/// Invalid when the text is not what the protocol says.
Result<LastCheckpoint> ParseLastCheckpoint(std::string_view text);

/// The version that a log file's name starts with, and the rest of the name.
std::optional<std::pair<int64_t, std::string_view>> SplitLogName(std::string_view name);

/// The `_delta_log` folder of a table: commits, checkpoints, and the states that they make.
/// Has no state of its own; thread-safe. Unreadable files are IOErrors that name the file.
class DeltaLog {
 public:
  DeltaLog(std::shared_ptr<FileSystem> file_system, const std::string& table_path);

  /// The state as of `version`, or the newest without one. KeyError when there is no table or no
  /// such version; IOError when commits are missing in between.
  Result<TableStatePtr> Load(std::optional<int64_t> version, const TableOptions& given) const;

  /// The state with all newer commits applied; `state` itself when there are none.
  Result<TableStatePtr> Advance(const TableStatePtr& state, const TableOptions& given) const;

  Result<bool> HasCommit(int64_t version) const;
  /// KeyError when the file does not exist. `modified_us` is looked up only where the commit does
  /// not say its own time.
  Result<LogCommit> ReadCommit(int64_t version) const;
  /// The versions of all commit files that there are, ascending. Fails where one is missing.
  Result<std::vector<int64_t>> Versions() const;

  /// Publishes a commit, atomically and durably; false when another writer was first. An error of
  /// the file system after the commit became visible is found out by `transaction_id`, which must
  /// be in the actions' commitInfo as "txnId".
  Result<bool> TryCommit(int64_t version, const std::vector<Action>& actions, int64_t time_us,
                         const std::string& transaction_id) const;

  /// Whether a commit is there and is that transaction's. True also when it can't be read, for
  /// then its files must stay.
  bool MayHold(int64_t version, const std::string& transaction_id) const;

  /// Writes a classic checkpoint of the state and points `_last_checkpoint` to it, unless that
  /// points to a newer one.
  Status WriteCheckpoint(const TableState& state) const;

  /// What a cleanup of the log removed, and the oldest version that it still has.
  struct Cleanup {
    int64_t files = 0;
    int64_t oldest_version = 0;
  };
  /// Removes commits and checkpoints that nobody needs who reads `first_needed` or later, first
  /// making sure of a checkpoint to begin with; and what killed writers left here before
  /// `leftovers_before_us`. Old ones go first, so that a crash leaves no gap. With `dry_run` all
  /// stay.
  Result<Cleanup> RemoveBefore(int64_t first_needed, const TableOptions& given,
                               int64_t leftovers_before_us, bool dry_run) const;

  /// Takes out of all commits and checkpoints what the log says of these files' content
  /// (statistics, tags), and of nothing else. Paths are as in the log, decoded.
  Status ForgetContent(const std::set<std::string>& paths, const TableOptions& given) const;

  std::string CommitPath(int64_t version) const;
  std::string CheckpointPath(int64_t version) const;
  const std::string& path() const { return path_; }

 private:
  struct Listing {
    struct Checkpoint {
      int64_t version;
      std::vector<std::string> files;
    };
    std::vector<int64_t> commits;         ///< ascending
    std::vector<Checkpoint> checkpoints;  ///< complete ones, ascending
  };
  Result<Listing> List() const;
  /// The names of files in `_sidecars` that a checkpoint's file names.
  Result<std::vector<std::string>> SidecarsOf(const Listing::Checkpoint& checkpoint) const;
  /// Removes the sidecars of checkpoints that are gone, of those from before a time.
  Status RemoveSidecars(const std::vector<Listing::Checkpoint>& kept, int64_t before_us,
                        bool dry_run, Cleanup* cleanup) const;
  /// Removes what other engines derived from log files: sums of them, commits put together.
  Status RemoveDerived() const;
  Result<std::shared_ptr<TableState>> LoadCheckpoint(const std::vector<std::string>& files,
                                                     int64_t version,
                                                     const TableOptions& given) const;
  Result<std::shared_ptr<TableState>> LoadByHint(const TableOptions& given) const;
  Status ReadCheckpointFile(const std::string& file, CheckpointContent* content) const;
  /// Like ReadCommit, of the commit's actions only its info.
  Result<LogCommit> ReadInfo(int64_t version) const;
  /// SettleState; its errors name the log.
  Status Settle(TableState* state) const;
  Status Apply(const LogCommit& commit, const TableOptions& given, TableState* state) const;
  /// Applies all commits that there are after the state's.
  Status ApplyNewer(const TableOptions& given, TableState* state) const;
  Status PointTo(const TableState& state, int64_t size_bytes) const;
  Result<int64_t> TimeOfCheckpoint(int64_t version, const std::string& checkpoint) const;

  const std::shared_ptr<FileSystem> file_system_;
  const std::string path_;
};

}  // namespace tercet
