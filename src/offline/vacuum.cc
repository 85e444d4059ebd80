#include <algorithm>

#include "offline/delta_table.h"
#include "offline/protocol_features.h"
#include "offline/table_folder.h"
#include "offline/table_property.h"

namespace tercet {
namespace {

/// One vacuum of one table: which files stay, which go.
class Vacuuming {
 public:
  Vacuuming(FileSystem* file_system, const std::string& table_path, const DeltaLog& log,
            const TableOptions& given, TableStatePtr head, std::vector<Commit> commits,
            int64_t now_us)
      : file_system_(file_system),
        table_path_(table_path),
        log_(log),
        given_(given),
        head_(std::move(head)),
        commits_(std::move(commits)),
        now_us_(now_us) {}

  Result<VacuumReport> Run(const VacuumRequest& request, const std::set<int64_t>& pinned) {
    ARROW_ASSIGN_OR_RAISE(const int64_t by_default, FileRetentionOf(*head_));
    retention_us_ = request.retention_us.value_or(by_default);
    if (retention_us_ < 0) {
      return Status::Invalid("cannot vacuum: a retention of ", retention_us_, " us is negative");
    }
    VacuumReport report{.dry_run = request.dry_run};
    const int64_t oldest_kept = VersionAt(now_us_ - retention_us_);
    ARROW_RETURN_NOT_OK(FindKept(oldest_kept, pinned));
    ARROW_RETURN_NOT_OK(FindKnown(oldest_kept));
    ARROW_RETURN_NOT_OK(RemoveFiles(&report));
    // The log has a retention of its own, unless the caller says what is to stay readable.
    int64_t first_needed = request.retention_us ? oldest_kept : head_->version;
    if (!pinned.empty()) first_needed = std::min(first_needed, *pinned.begin());
    ARROW_RETURN_NOT_OK(CleanLog(first_needed, &report));
    return report;
  }

 private:
  /// The commit that a reader saw at that time; the oldest when there was none.
  int64_t VersionAt(int64_t time_us) const {
    const auto after = std::upper_bound(
        commits_.begin(), commits_.end(), time_us,
        [](int64_t time, const Commit& commit) { return time < commit.commit_time_us; });
    if (after == commits_.begin()) return commits_.empty() ? head_->version : commits_[0].version;
    return std::prev(after)->version;
  }

  /// What readers of the kept commits, and of their changes, need.
  Status FindKept(int64_t oldest_kept, const std::set<int64_t>& pinned) {
    ARROW_RETURN_NOT_OK(AddLiveFiles(*head_, &kept_));
    std::set<int64_t> versions = pinned;
    versions.insert(oldest_kept);
    for (const int64_t version : versions) {
      if (version == head_->version) continue;
      const Result<TableStatePtr> state = log_.Load(version, given_);
      if (!state.ok()) {
        return Status::Invalid("cannot vacuum: commit ", version, " is to stay readable, but ",
                               state.status().message(), "; nothing was removed");
      }
      ARROW_RETURN_NOT_OK(AddLiveFiles(**state, &kept_));
    }
    for (int64_t version = oldest_kept + 1; version <= head_->version; ++version) {
      ARROW_ASSIGN_OR_RAISE(const LogCommit commit, log_.ReadCommit(version));
      ARROW_RETURN_NOT_OK(AddNamedFiles(commit.actions, /*removed=*/false, &kept_));
    }
    // Another engine's reader goes by the tombstone's own time.
    const int64_t cutoff_ms = (now_us_ - retention_us_) / 1000;
    for (const auto& [key, remove] : head_->tombstones) {
      const bool young = remove.deletion_time_ms.value_or(0) > cutoff_ms;
      ARROW_RETURN_NOT_OK(AddNamedFiles({remove}, /*removed=*/true, young ? &kept_ : &known_));
    }
    return Status::OK();
  }

  Status FindKnown(int64_t oldest_kept) {
    for (const Commit& described : commits_) {
      if (described.version > oldest_kept) break;
      const Result<LogCommit> commit = log_.ReadCommit(described.version);
      if (commit.status().IsKeyError()) continue;  // another vacuum has cleaned it up meanwhile
      ARROW_RETURN_NOT_OK(commit.status());
      ARROW_RETURN_NOT_OK(AddNamedFiles(commit->actions, /*removed=*/true, &known_));
    }
    return Status::OK();
  }

  Status RemoveFiles(VacuumReport* report) {
    const int64_t orphan_cutoff_us = now_us_ - std::max(retention_us_, kOrphanAgeUs);
    ARROW_ASSIGN_OR_RAISE(const auto files, ListTableFiles(file_system_, table_path_));
    for (const FileInfo& file : files) {
      if (kept_.contains(file.name)) continue;
      const bool known = known_.contains(file.name);
      if (!known && file.modified_us > orphan_cutoff_us) continue;
      if (!report->dry_run) {
        ARROW_RETURN_NOT_OK(file_system_->Remove(JoinPath(table_path_, file.name)));
      }
      report->files.push_back(file.name);
      report->bytes += file.size_bytes;
      report->orphans += !known;
    }
    if (!report->dry_run && !report->files.empty()) {
      ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(table_path_));
    }
    return Status::OK();
  }

  Status CleanLog(int64_t first_needed, VacuumReport* report) {
    if (Supports(head_->protocol, "checkpointProtection")) {
      report->oldest_version = commits_.empty() ? head_->version : commits_.front().version;
      return Status::OK();  // older checkpoints may be of readers of another protocol
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t retention_us, LogRetentionOf(*head_));
    const int64_t horizon = std::min(first_needed, VersionAt(now_us_ - retention_us));
    ARROW_ASSIGN_OR_RAISE(const DeltaLog::Cleanup cleanup,
                          log_.RemoveBefore(horizon, given_, now_us_ - kOrphanAgeUs,
                                            report->dry_run));
    report->log_files = cleanup.files;
    report->oldest_version = cleanup.oldest_version;
    return Status::OK();
  }

  FileSystem* const file_system_;
  const std::string& table_path_;
  const DeltaLog& log_;
  const TableOptions& given_;
  const TableStatePtr head_;
  const std::vector<Commit> commits_;
  const int64_t now_us_;
  int64_t retention_us_ = 0;
  std::set<std::string> kept_;   // relative paths
  std::set<std::string> known_;  // named by some commit; not kept unless they are also there
};

}  // namespace

Result<VacuumReport> DeltaTable::Vacuum(const VacuumRequest& request,
                                        const std::set<int64_t>& pinned) {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr head, HeadState());
  ARROW_RETURN_NOT_OK(CheckWritable(*head));
  ARROW_ASSIGN_OR_RAISE(std::vector<Commit> commits, Commits());
  std::erase_if(commits, [&](const Commit& commit) { return commit.version > head->version; });
  for (const int64_t version : pinned) {
    if (version > head->version) {
      return Status::Invalid("cannot vacuum: commit ", version, " is to stay, but the newest is ",
                             head->version);
    }
  }
  Vacuuming vacuuming(file_system_.get(), path_, log_, given_, head, std::move(commits),
                      clock_->NowMicros());
  ARROW_ASSIGN_OR_RAISE(VacuumReport report, vacuuming.Run(request, pinned));
  if (!report.dry_run) {
    std::lock_guard lock(mutex_);
    older_.clear();
    history_.clear();
  }
  return report;
}

}  // namespace tercet
