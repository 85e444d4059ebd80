#include "offline/delta_log.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/time_text.h"
#include "offline/checkpoint.h"

namespace tercet {
namespace {

constexpr int kVersionDigits = 20;

std::string VersionText(int64_t version) { return fmt::format("{:020d}", version); }

/// ".checkpoint.0000000002.0000000003.parquet" is part 2 of 3.
std::optional<std::pair<int64_t, int64_t>> SplitPart(std::string_view rest) {
  constexpr std::string_view kHead = ".checkpoint.", kTail = ".parquet";
  if (rest.size() != kHead.size() + 10 + 1 + 10 + kTail.size()) return std::nullopt;
  if (!rest.starts_with(kHead) || !rest.ends_with(kTail)) return std::nullopt;
  int64_t part = 0, parts = 0;
  const char* first = rest.data() + kHead.size();
  if (std::from_chars(first, first + 10, part).ptr != first + 10) return std::nullopt;
  if (std::from_chars(first + 11, first + 21, parts).ptr != first + 21) return std::nullopt;
  return std::pair(part, parts);
}

/// ".checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet", or ".json": of version 2.
bool IsUuidCheckpoint(std::string_view rest) {
  constexpr std::string_view kHead = ".checkpoint.";
  constexpr size_t kUuid = 36;
  if (rest.size() <= kHead.size() + kUuid || !rest.starts_with(kHead)) return false;
  const std::string_view tail = rest.substr(kHead.size() + kUuid);
  return rest[kHead.size() + 8] == '-' && (tail == ".parquet" || tail == ".json");
}

std::string PartPath(const std::string& log, int64_t version, int64_t part, int64_t parts) {
  return JoinPath(log,
                  fmt::format("{:020d}.checkpoint.{:010d}.{:010d}.parquet", version, part, parts));
}

/// A file that can't be understood is a damaged one, whatever its parser called that.
Status Damaged(const Status& status, const std::string& path) {
  if (status.ok() || status.IsNotImplemented() || status.IsKeyError()) return status;
  return Status::IOError("cannot read '", path, "': ", status.message());
}

bool IsOf(const LogCommit& commit, const std::string& transaction_id) {
  const json::value* id = commit.info().if_contains("txnId");
  return id != nullptr && id->is_string() && std::string_view(id->as_string()) == transaction_id;
}

}  // namespace

std::optional<std::pair<int64_t, std::string_view>> SplitLogName(std::string_view name) {
  if (name.size() <= kVersionDigits) return std::nullopt;
  int64_t version = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + kVersionDigits, version);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + kVersionDigits || version < 0) {
    return std::nullopt;
  }
  return std::pair(version, name.substr(kVersionDigits));
}

const json::object& LogCommit::info() const {
  static const json::object kNone;
  for (const Action& action : actions) {
    if (const auto* info = std::get_if<CommitInfo>(&action)) return info->fields;
  }
  return kNone;
}

Result<LastCheckpoint> ParseLastCheckpoint(std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const json::object object,
                        ParseJsonObject(text, {.max_bytes = 1 << 20, .max_depth = 32}));
  LastCheckpoint last;
  ARROW_ASSIGN_OR_RAISE(last.version, GetInt(object, "version"));
  ARROW_ASSIGN_OR_RAISE(last.parts, FindInt(object, "parts"));
  if (last.version < 0) return Status::Invalid("version ", last.version, " is negative");
  if (last.parts && (*last.parts < 1 || *last.parts > 100000)) {
    return Status::Invalid("a checkpoint of ", *last.parts, " parts");
  }
  return last;
}

DeltaLog::DeltaLog(std::shared_ptr<FileSystem> file_system, const std::string& table_path)
    : file_system_(std::move(file_system)), path_(JoinPath(table_path, "_delta_log")) {}

std::string DeltaLog::CommitPath(int64_t version) const {
  return JoinPath(path_, VersionText(version) + ".json");
}

std::string DeltaLog::CheckpointPath(int64_t version) const {
  return JoinPath(path_, VersionText(version) + ".checkpoint.parquet");
}

Result<DeltaLog::Listing> DeltaLog::List() const {
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, file_system_->List(path_));
  Listing listing;
  std::map<std::pair<int64_t, int64_t>, std::vector<std::string>> parts;
  for (const FileInfo& file : files) {
    const auto split = SplitLogName(file.name);
    if (!split) continue;
    const auto& [version, rest] = *split;
    if (rest == ".json") listing.commits.push_back(version);
    if (rest == ".checkpoint.parquet") parts[{version, 1}] = {JoinPath(path_, file.name)};
    if (IsUuidCheckpoint(rest)) {
      listing.checkpoints.push_back({version, {JoinPath(path_, file.name)}});
    }
    if (const auto part = SplitPart(rest)) {
      auto& found = parts[{version, part->second}];
      if (part->second > 1 || found.empty()) found.push_back(JoinPath(path_, file.name));
    }
  }
  for (auto& [key, found] : parts) {
    if (static_cast<int64_t>(found.size()) == key.second) {
      listing.checkpoints.push_back({key.first, std::move(found)});
    }
  }
  std::stable_sort(listing.checkpoints.begin(), listing.checkpoints.end(),
                   [](const auto& a, const auto& b) { return a.version < b.version; });
  return listing;
}

Result<std::vector<int64_t>> DeltaLog::Versions() const {
  ARROW_ASSIGN_OR_RAISE(const Listing listing, List());
  std::vector<int64_t> versions;
  // A bucket's listing may be older than its files: what it lacks is asked for by name.
  for (const int64_t listed : listing.commits) {
    while (!versions.empty() && versions.back() + 1 < listed) {
      const int64_t version = versions.back() + 1;
      ARROW_ASSIGN_OR_RAISE(const bool exists, HasCommit(version));
      if (!exists) {
        return Status::IOError("the log has a gap: '", CommitPath(version), "' is missing");
      }
      versions.push_back(version);
    }
    versions.push_back(listed);
  }
  while (true) {
    const int64_t version = versions.empty() ? 0 : versions.back() + 1;
    ARROW_ASSIGN_OR_RAISE(const bool exists, HasCommit(version));
    if (!exists) return versions;
    versions.push_back(version);
  }
}

Result<LogCommit> DeltaLog::ReadCommit(int64_t version) const {
  const std::string path = CommitPath(version);
  LogCommit commit{.version = version};
  ARROW_ASSIGN_OR_RAISE(const std::string text, file_system_->ReadFile(path));
  Result<std::vector<Action>> actions = ParseActions(text);
  if (!actions.ok()) return Damaged(actions.status(), path);
  commit.actions = *std::move(actions);
  if (HasExactTime(commit.info())) return commit;
  ARROW_ASSIGN_OR_RAISE(const FileInfo info, file_system_->Stat(path));
  commit.modified_us = info.modified_us;
  return commit;
}

Result<bool> DeltaLog::HasCommit(int64_t version) const {
  return file_system_->Exists(CommitPath(version));
}

Status DeltaLog::Apply(const LogCommit& commit, const TableOptions& given,
                       TableState* state) const {
  ARROW_RETURN_NOT_OK(Damaged(ApplyCommit(commit.actions, commit.version, given, state),
                              CommitPath(commit.version)));
  const json::object& info = commit.info();
  const int64_t time_us = CommitTimeOf(info, commit.modified_us);
  state->commit_time_us =
      HasExactTime(info) ? time_us : std::max(time_us, state->commit_time_us + 1);
  return Status::OK();
}

Result<int64_t> DeltaLog::TimeOfCheckpoint(int64_t version, const std::string& checkpoint) const {
  // Foreign times are made monotonic, so they depend on those before, back to one of ours.
  std::vector<int64_t> times;
  int64_t time_us = INT64_MIN;
  for (int64_t v = version; v >= 0; --v) {
    Result<LogCommit> commit = ReadInfo(v);
    if (commit.status().IsKeyError()) break;  // cleaned up
    ARROW_RETURN_NOT_OK(commit);
    times.push_back(CommitTimeOf(commit->info(), commit->modified_us));
    if (HasExactTime(commit->info())) break;
  }
  if (times.empty()) {
    ARROW_ASSIGN_OR_RAISE(const FileInfo info, file_system_->Stat(checkpoint));
    return info.modified_us;
  }
  for (auto it = times.rbegin(); it != times.rend(); ++it) {
    time_us = time_us == INT64_MIN ? *it : std::max(*it, time_us + 1);
  }
  return time_us;
}

Status DeltaLog::ReadCheckpointFile(const std::string& file, CheckpointContent* content) const {
  if (file.ends_with(".json")) {
    ARROW_ASSIGN_OR_RAISE(const std::string text, file_system_->ReadFile(file));
    return Damaged(ReadJsonCheckpoint(text, content), file);
  }
  ARROW_ASSIGN_OR_RAISE(auto input, file_system_->OpenMapped(file));
  return Damaged(ReadCheckpoint(std::move(input), content), file);
}

Result<LogCommit> DeltaLog::ReadInfo(int64_t version) const {
  const std::string path = CommitPath(version);
  LogCommit commit{.version = version};
  ARROW_ASSIGN_OR_RAISE(const std::string text, file_system_->ReadFile(path));
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (line.find("\"commitInfo\"") >= 16) continue;
    Result<Action> action = ParseAction(line);
    if (!action.ok()) return Damaged(action.status(), path);
    commit.actions.push_back(*std::move(action));
    break;
  }
  if (HasExactTime(commit.info())) return commit;
  ARROW_ASSIGN_OR_RAISE(const FileInfo info, file_system_->Stat(path));
  commit.modified_us = info.modified_us;
  return commit;
}

Status DeltaLog::Settle(TableState* state) const {
  const Status settled = SettleState(state);
  if (settled.ok() || settled.IsInvalid()) return settled;
  return Explain(settled, "'" + path_ + "' as of commit " + std::to_string(state->version));
}

Result<std::shared_ptr<TableState>> DeltaLog::LoadCheckpoint(const std::vector<std::string>& files,
                                                             int64_t version,
                                                             const TableOptions& given) const {
  auto state = std::make_shared<TableState>();
  CheckpointContent content;
  for (const std::string& file : files) {
    ARROW_RETURN_NOT_OK(ReadCheckpointFile(file, &content));
  }
  const std::vector<std::string> sidecars = std::move(content.sidecars);
  content.sidecars.clear();
  for (const std::string& sidecar : sidecars) {
    // They are in one folder; some writers name the whole path all the same.
    Result<std::string> decoded = DecodeLogPath(sidecar.substr(sidecar.find_last_of('/') + 1));
    if (!decoded.ok()) return Damaged(decoded.status(), files.front());
    ARROW_RETURN_NOT_OK(
        ReadCheckpointFile(JoinPath(JoinPath(path_, "_sidecars"), *decoded), &content));
  }
  ARROW_RETURN_NOT_OK(
      Damaged(RestoreState(std::move(content), version, given, state.get()), files.front()));
  ARROW_ASSIGN_OR_RAISE(state->commit_time_us, TimeOfCheckpoint(version, files.front()));
  return state;
}

Result<std::shared_ptr<TableState>> DeltaLog::LoadByHint(const TableOptions& given) const {
  const std::string path = JoinPath(path_, "_last_checkpoint");
  const Result<std::string> text = file_system_->ReadFile(path);
  if (!text.ok()) return nullptr;
  // A damaged hint is no harm: the folder's listing knows as much.
  const Result<LastCheckpoint> last = ParseLastCheckpoint(*text);
  if (!last.ok()) return nullptr;
  std::vector<std::string> files;
  if (!last->parts) {
    files.push_back(CheckpointPath(last->version));
  } else {
    for (int64_t part = 1; part <= *last->parts; ++part) {
      files.push_back(PartPath(path_, last->version, part, *last->parts));
    }
  }
  for (const std::string& file : files) {
    ARROW_ASSIGN_OR_RAISE(const bool exists, file_system_->Exists(file));
    if (!exists) return nullptr;
  }
  return LoadCheckpoint(files, last->version, given);
}

Result<TableStatePtr> DeltaLog::Load(std::optional<int64_t> version,
                                     const TableOptions& given) const {
  if (!version) {
    ARROW_ASSIGN_OR_RAISE(auto state, LoadByHint(given));
    if (state != nullptr) {
      const int64_t hinted = state->version;
      ARROW_RETURN_NOT_OK(ApplyNewer(given, state.get()));
      ARROW_ASSIGN_OR_RAISE(const bool kept, HasCommit(hinted));
      // With its commit cleaned up the hint may be an old one; then only a listing can tell.
      if (kept || state->version > hinted) {
        ARROW_RETURN_NOT_OK(Settle(state.get()));
        return state;
      }
    }
  }
  ARROW_ASSIGN_OR_RAISE(Listing listing, List());
  int64_t newest = -1;
  if (!listing.commits.empty()) newest = listing.commits.back();
  if (!listing.checkpoints.empty()) newest = std::max(newest, listing.checkpoints.back().version);
  if (newest < 0) {
    ARROW_ASSIGN_OR_RAISE(const bool exists, HasCommit(0));
    if (!exists) return Status::KeyError("no table at '", path_, "'");
    newest = 0;
    listing.commits.push_back(0);
  }
  const int64_t wanted = version.value_or(newest);
  // A bucket's listing may be older than its files.
  ARROW_ASSIGN_OR_RAISE(const bool unlisted,
                        wanted > newest ? HasCommit(wanted) : Result<bool>(false));
  if (wanted < 0 || (wanted > newest && !unlisted)) {
    return Status::KeyError("no commit ", wanted, "; the newest is ", newest);
  }
  auto state = std::make_shared<TableState>();
  const Listing::Checkpoint* start = nullptr;
  for (const Listing::Checkpoint& checkpoint : listing.checkpoints) {
    if (checkpoint.version <= wanted) start = &checkpoint;
  }
  if (start != nullptr) {
    ARROW_ASSIGN_OR_RAISE(state, LoadCheckpoint(start->files, start->version, given));
  } else if (listing.commits.empty() || listing.commits.front() > 0) {
    const int64_t first = listing.checkpoints.empty() ? -1 : listing.checkpoints.front().version;
    if (first >= 0) {
      return Status::KeyError("commit ", wanted, " is no longer kept; the oldest is ", first);
    }
    return Status::IOError("the log has a gap: '", CommitPath(0), "' is missing");
  }
  for (int64_t v = state->version + 1; v <= wanted; ++v) {
    Result<LogCommit> commit = ReadCommit(v);
    if (commit.status().IsKeyError()) {
      return Status::IOError("the log has a gap: '", CommitPath(v), "' is missing, but commit ",
                             newest, " is there");
    }
    ARROW_RETURN_NOT_OK(commit);
    ARROW_RETURN_NOT_OK(Apply(*commit, given, state.get()));
  }
  if (!version) ARROW_RETURN_NOT_OK(ApplyNewer(given, state.get()));
  ARROW_RETURN_NOT_OK(Settle(state.get()));
  return state;
}

Result<TableStatePtr> DeltaLog::Advance(const TableStatePtr& state,
                                        const TableOptions& given) const {
  const Result<LogCommit> first = ReadCommit(state->version + 1);
  if (first.status().IsKeyError()) return state;
  ARROW_RETURN_NOT_OK(first);
  auto next = std::make_shared<TableState>(*state);
  ARROW_RETURN_NOT_OK(Apply(*first, given, next.get()));
  ARROW_RETURN_NOT_OK(ApplyNewer(given, next.get()));
  ARROW_RETURN_NOT_OK(Settle(next.get()));
  return next;
}

Status DeltaLog::ApplyNewer(const TableOptions& given, TableState* state) const {
  // Asked for one by one, since a bucket's listing may be older than its files.
  while (true) {
    const Result<LogCommit> commit = ReadCommit(state->version + 1);
    if (commit.status().IsKeyError()) return Status::OK();
    ARROW_RETURN_NOT_OK(commit);
    ARROW_RETURN_NOT_OK(Apply(*commit, given, state));
  }
}

Result<bool> DeltaLog::TryCommit(int64_t version, const std::vector<Action>& actions,
                                 int64_t time_us, const std::string& transaction_id) const {
  std::string text;
  for (const Action& action : actions) text += ToLine(action) + "\n";
  const Status put = file_system_->PutIfAbsent(CommitPath(version), text, time_us);
  if (put.ok()) return true;
  // Whatever went wrong: the commit is ours if it can be read back with our id.
  const Result<bool> found_out = HasCommit(version);
  // That nothing can be found out must not hide that the commit may be there.
  if (!found_out.ok()) return HasUnknownOutcome(put) ? put : found_out.status();
  const bool exists = *found_out;
  // Where another writer's commit can't be seen yet, it was first all the same.
  if (!exists && put.IsAlreadyExists()) return false;
  if (!exists) return put;
  ARROW_ASSIGN_OR_RAISE(const LogCommit found, ReadCommit(version));
  if (!IsOf(found, transaction_id)) return false;
  // Visible but perhaps not durable: it is acknowledged only when the folder could be synced.
  const Status synced = file_system_->SyncDirectory(path_);
  if (synced.ok()) return true;
  return Explain(synced, "commit " + std::to_string(version) + " is visible, but not yet durable");
}

bool DeltaLog::MayHold(int64_t version, const std::string& transaction_id) const {
  const Result<bool> exists = HasCommit(version);
  if (exists.ok() && !*exists) return false;
  const Result<LogCommit> found = ReadCommit(version);
  return !found.ok() || IsOf(*found, transaction_id);
}

Status DeltaLog::WriteCheckpoint(const TableState& state) const {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, CheckpointBytes(state));
  const Status put =
      file_system_->PutIfAbsent(CheckpointPath(state.version), std::string_view(*bytes));
  if (!put.ok() && !put.IsAlreadyExists()) return put;
  return PointTo(state, bytes->size());
}

Status DeltaLog::PointTo(const TableState& state, int64_t size_bytes) const {
  const std::string path = JoinPath(path_, "_last_checkpoint");
  if (const Result<std::string> text = file_system_->ReadFile(path); text.ok()) {
    const Result<LastCheckpoint> last = ParseLastCheckpoint(*text);
    if (last.ok() && last->version > state.version) return Status::OK();
  }
  const int64_t actions = 2 + state.files.size() +
                          static_cast<int64_t>(state.tombstones.size() + state.transactions.size());
  const json::object last{{"version", state.version},
                          {"size", actions},
                          {"sizeInBytes", size_bytes},
                          {"numOfAddFiles", state.files.size()}};
  return file_system_->Replace(path, ToText(last));
}

}  // namespace tercet
