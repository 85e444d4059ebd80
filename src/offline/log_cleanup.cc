// What leaves the log: old commits and checkpoints, and the content of files that were erased.
#include <algorithm>
#include <set>

#include "offline/checkpoint.h"
#include "offline/delta_log.h"

namespace tercet {
namespace {

/// Forgets what a line of a commit says of the content of one of these files; false when it says
/// nothing. The rest of the line, also what we don't know, stays.
Result<bool> ForgetInLine(const std::set<std::string>& paths, std::string* line) {
  if (line->find("\"stats\"") == std::string::npos && line->find("\"tags\"") == std::string::npos) {
    return false;
  }
  ARROW_ASSIGN_OR_RAISE(json::object action, ParseJsonObject(*line));
  bool forgot = false;
  for (const std::string_view name : {"add", "remove"}) {
    json::value* body = action.if_contains(name);
    if (body == nullptr || !body->is_object()) continue;
    json::object& file = body->as_object();
    ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(file, "path"));
    ARROW_ASSIGN_OR_RAISE(const std::string path, DecodeLogPath(text));
    if (!paths.contains(path)) continue;
    forgot = file.erase("stats") + file.erase("tags") > 0 || forgot;
  }
  if (forgot) *line = ToText(action);
  return forgot;
}

/// The same in the state of a checkpoint.
Result<bool> ForgetInState(const std::set<std::string>& paths, TableState* state) {
  bool forgot = false;
  for (const DataFilePtr& file : state->files.Ordered()) {
    if (!paths.contains(file->path) || (file->add.stats.empty() && file->add.tags.empty())) {
      continue;
    }
    auto bare = std::make_shared<DataFile>(*file);
    bare->add.stats.clear();
    bare->add.tags.clear();
    bare->run.reset();
    state->files.Put(std::move(bare));
    forgot = true;
  }
  for (auto& [key, remove] : state->tombstones) {
    ARROW_ASSIGN_OR_RAISE(const std::string path, DecodeLogPath(remove.path));
    if (!paths.contains(path) || remove.tags.empty()) continue;
    remove.tags.clear();
    forgot = true;
  }
  return forgot;
}

/// Whether a file was derived from files of the log by another engine, which can do without: a
/// checksum, by Hadoop (".NAME.crc") or of a version ("VERSION.crc"), or commits put together
/// ("FIRST.LAST.compacted.json").
bool IsDerived(std::string_view name) {
  const std::string_view bare = name.starts_with('.') ? name.substr(1) : name;
  if (!SplitLogName(bare)) return false;
  return bare.ends_with(".crc") || bare.ends_with(".compacted.json");
}

}  // namespace

Result<std::vector<std::string>> DeltaLog::SidecarsOf(const Listing::Checkpoint& checkpoint) const {
  CheckpointContent content;
  for (const std::string& file : checkpoint.files) {
    ARROW_RETURN_NOT_OK(ReadCheckpointFile(file, &content));
  }
  for (std::string& sidecar : content.sidecars) {
    ARROW_ASSIGN_OR_RAISE(sidecar, DecodeLogPath(sidecar.substr(sidecar.find_last_of('/') + 1)));
  }
  return std::move(content.sidecars);
}

Status DeltaLog::RemoveSidecars(const std::vector<Listing::Checkpoint>& kept, int64_t before_us,
                                bool dry_run, Cleanup* cleanup) const {
  const std::string folder = JoinPath(path_, "_sidecars");
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, file_system_->List(folder));
  if (files.empty()) return Status::OK();
  std::set<std::string> named;
  for (const Listing::Checkpoint& checkpoint : kept) {
    ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> sidecars, SidecarsOf(checkpoint));
    named.insert(sidecars.begin(), sidecars.end());
  }
  for (const FileInfo& file : files) {
    // A younger one may be of a checkpoint that is just being made.
    if (named.contains(file.name) || file.modified_us >= before_us) continue;
    if (!dry_run) ARROW_RETURN_NOT_OK(file_system_->Remove(JoinPath(folder, file.name)));
    ++cleanup->files;
  }
  return Status::OK();
}

Status DeltaLog::RemoveDerived() const {
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, file_system_->List(path_));
  for (const FileInfo& file : files) {
    if (!IsDerived(file.name)) continue;
    ARROW_RETURN_NOT_OK(file_system_->Remove(JoinPath(path_, file.name)));
  }
  return Status::OK();
}

Result<DeltaLog::Cleanup> DeltaLog::RemoveBefore(int64_t first_needed, const TableOptions& given,
                                                 int64_t leftovers_before_us, bool dry_run) const {
  ARROW_ASSIGN_OR_RAISE(Listing listing, List());
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, file_system_->List(path_));
  Cleanup cleanup;
  std::vector<std::pair<int64_t, std::string>> gone;  // by version
  for (const FileInfo& file : files) {
    const bool leftover = file.name.find(".tmp-") != std::string::npos;
    if (leftover && file.modified_us < leftovers_before_us) gone.emplace_back(-1, file.name);
  }
  int64_t oldest = listing.commits.empty() ? first_needed : listing.commits.front();
  if (oldest < first_needed) {
    int64_t base = -1;
    for (const Listing::Checkpoint& checkpoint : listing.checkpoints) {
      if (checkpoint.version <= first_needed) base = checkpoint.version;
    }
    if (base < oldest) {
      base = first_needed;
      if (!dry_run) {
        ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, Load(base, given));
        ARROW_RETURN_NOT_OK(WriteCheckpoint(*state));
      }
    }
    for (const FileInfo& file : files) {
      const bool hidden = file.name.starts_with('.') && IsDerived(file.name);
      const auto split = SplitLogName(std::string_view(file.name).substr(hidden ? 1 : 0));
      const bool leftover = file.name.find(".tmp-") != std::string::npos;
      if (split && split->first < base && !leftover) gone.emplace_back(split->first, file.name);
    }
    oldest = base;
  }
  // A version's checkpoint before its commit (".checkpoint" < ".json"): what is left begins with
  // commits that no checkpoint stands before, and readers then begin at the next checkpoint.
  std::sort(gone.begin(), gone.end());
  for (const auto& [version, name] : gone) {
    if (!dry_run) ARROW_RETURN_NOT_OK(file_system_->Remove(JoinPath(path_, name)));
    ++cleanup.files;
  }
  std::erase_if(listing.checkpoints, [oldest](const auto& kept) { return kept.version < oldest; });
  ARROW_RETURN_NOT_OK(RemoveSidecars(listing.checkpoints, leftovers_before_us, dry_run, &cleanup));
  if (!dry_run && cleanup.files > 0) ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(path_));
  cleanup.oldest_version = oldest;
  return cleanup;
}

Status DeltaLog::ForgetContent(const std::set<std::string>& paths,
                               const TableOptions& given) const {
  ARROW_ASSIGN_OR_RAISE(const Listing listing, List());
  for (const int64_t version : listing.commits) {
    ARROW_ASSIGN_OR_RAISE(const std::string text, file_system_->ReadFile(CommitPath(version)));
    std::string changed;
    bool forgot = false;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      std::string line = text.substr(begin, end - begin);
      ARROW_ASSIGN_OR_RAISE(const bool in_line, ForgetInLine(paths, &line));
      forgot = forgot || in_line;
      changed += line + "\n";
      begin = end + 1;
    }
    if (forgot) ARROW_RETURN_NOT_OK(file_system_->Replace(CommitPath(version), changed));
  }
  std::set<std::string> sidecars;
  for (const Listing::Checkpoint& checkpoint : listing.checkpoints) {
    ARROW_ASSIGN_OR_RAISE(const auto state,
                          LoadCheckpoint(checkpoint.files, checkpoint.version, given));
    ARROW_ASSIGN_OR_RAISE(const bool forgot, ForgetInState(paths, state.get()));
    if (!forgot) continue;
    ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> named, SidecarsOf(checkpoint));
    for (const std::string& sidecar : named) {
      sidecars.insert(JoinPath(JoinPath(path_, "_sidecars"), sidecar));
    }
    ARROW_ASSIGN_OR_RAISE(const auto bytes, CheckpointBytes(*state));
    const std::string whole = CheckpointPath(checkpoint.version);
    ARROW_RETURN_NOT_OK(file_system_->Replace(whole, std::string_view(*bytes)));
    for (const std::string& part : checkpoint.files) {
      if (part != whole) ARROW_RETURN_NOT_OK(file_system_->Remove(part));
    }
  }
  // They may have been of several checkpoints, all of which are replaced now.
  for (const std::string& sidecar : sidecars) ARROW_RETURN_NOT_OK(file_system_->Remove(sidecar));
  return RemoveDerived();
}

}  // namespace tercet
