#include "source/hudi_files.h"

#include <algorithm>
#include <map>
#include <optional>

namespace tercet {
namespace {

constexpr std::string_view kBaseSuffix = ".parquet";
constexpr int kMostFolders = 64;  // below each other

/// A base or log file, by its name.
struct NamedFile {
  std::string group;
  std::string time;  ///< of a base file the write that made it; of a log file as LogTime says
  bool log = false;
};

/// GROUP_TOKEN_TIME.parquet, or .GROUP_TIME.log.NUMBER_TOKEN; nullopt for what is no file of rows.
std::optional<NamedFile> ParseFile(std::string_view name) {
  NamedFile file;
  if (name.starts_with('.')) {
    const size_t log = name.find(".log.");
    // Changes that a table keeps beside its rows are no rows.
    if (log == std::string_view::npos || name.ends_with(".cdc") || name.ends_with(".crc")) {
      return std::nullopt;
    }
    const std::string_view stem = name.substr(1, log - 1);
    const size_t under = stem.rfind('_');
    if (under == std::string_view::npos) return std::nullopt;
    file = {std::string(stem.substr(0, under)), std::string(stem.substr(under + 1)), true};
    return file;
  }
  if (!name.ends_with(kBaseSuffix)) return std::nullopt;
  const std::string_view stem = name.substr(0, name.size() - kBaseSuffix.size());
  const size_t first = stem.find('_'), last = stem.rfind('_');
  if (first == last) return std::nullopt;
  file = {std::string(stem.substr(0, first)), std::string(stem.substr(last + 1)), false};
  return file;
}

/// What a file group has.
struct FileGroup {
  std::map<std::string, std::string> bases;  ///< path by the time of the write; "" of a cleaned one
  std::vector<std::string> logs;             ///< their times
};

class FileGroups {
 public:
  FileGroups(FileSystem* file_system, const HudiTimeline& timeline, const std::string& as_of)
      : file_system_(file_system), timeline_(timeline), as_of_(as_of) {}

  /// Takes in the files of a folder, and of those below, which are deeper partitions.
  Status List(const std::string& partition, int depth) {
    if (depth > kMostFolders) {
      return Status::Invalid("the Hudi table in '", timeline_.folder(), "' has folders more than ",
                             kMostFolders, " deep");
    }
    const std::string folder =
        partition.empty() ? timeline_.folder() : JoinPath(timeline_.folder(), partition);
    ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, file_system_->List(folder));
    for (const FileInfo& file : files) {
      const std::string below = partition.empty() ? file.name : JoinPath(partition, file.name);
      if (file.is_directory) {
        if (!file.name.starts_with('.')) ARROW_RETURN_NOT_OK(List(below, depth + 1));
      } else if (const auto named = ParseFile(file.name); named && Counts(named->time)) {
        FileGroup& group = groups_[{partition, named->group}];
        if (named->log) {
          group.logs.push_back(named->time);
        } else {
          group.bases[named->time] = JoinPath(folder, file.name);
        }
      }
    }
    return Status::OK();
  }

  /// Puts in what is no longer there, so that an older file is not taken for it.
  Status AddCleaned() {
    for (const HudiInstant& clean : timeline_.cleans()) {
      ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> paths,
                            timeline_.Cleaned(file_system_, clean));
      for (const std::string& path : paths) {
        const size_t slash = path.rfind('/');
        const bool nested = slash != std::string::npos;
        const auto named = ParseFile(nested ? path.substr(slash + 1) : path);
        if (!named || named->log || !Counts(named->time)) continue;
        groups_[{nested ? path.substr(0, slash) : "", named->group}].bases.emplace(named->time, "");
      }
    }
    return Status::OK();
  }

  Status DropReplaced() {
    for (const HudiInstant& write : timeline_.writes()) {
      if (write.action != "replacecommit" || write.time > as_of_) continue;
      ARROW_ASSIGN_OR_RAISE(const HudiWrite described, timeline_.Describe(file_system_, write));
      for (const HudiGroup& group : described.replaced) groups_.erase(group);
    }
    return Status::OK();
  }

  Result<std::vector<std::string>> Newest() const {
    std::vector<std::string> files;
    for (const auto& [name, group] : groups_) {
      const auto newest = group.bases.rbegin();
      const std::string base = newest == group.bases.rend() ? "" : newest->first;
      for (const std::string& log : group.logs) {
        if (!IsMerged(log, base)) return RefuseLog(name);
      }
      if (base.empty()) continue;
      if (newest->second.empty()) {
        return Status::KeyError("the Hudi table in '", timeline_.folder(), "' can't be read as of ",
                                as_of_, ": files that it had then have been cleaned away");
      }
      files.push_back(newest->second);
    }
    return files;
  }

 private:
  bool Counts(const std::string& time) const {
    return time <= as_of_ && timeline_.IsCommitted(time);
  }

  /// Whether the rows of a log file are in the newest base file, too.
  bool IsMerged(const std::string& log, const std::string& base) const {
    if (!timeline_.logs_name_their_write()) return log < base;
    // A compaction takes in what was done before it was asked for. When an archived write was done
    // is not known: better refused than a row left out.
    const std::string done = timeline_.CompletionOf(log);
    return !done.empty() && done < base;
  }

  Status RefuseLog(const HudiGroup& group) const {
    return Status::NotImplemented(
        "the Hudi table in '", timeline_.folder(), "' is merge-on-read and has changes in log "
        "files (of file group ", group.second, group.first.empty() ? "" : " in ", group.first,
        "), which are not read: compact it (in Spark SQL: CALL run_compaction(op => 'run', path => "
        "'", timeline_.folder(), "')), or write it as COPY_ON_WRITE");
  }

  FileSystem* const file_system_;
  const HudiTimeline& timeline_;
  const std::string& as_of_;
  std::map<HudiGroup, FileGroup> groups_;
};

}  // namespace

Result<std::vector<std::string>> HudiFilesAsOf(FileSystem* file_system,
                                               const HudiTimeline& timeline,
                                               const HudiInstant& write) {
  FileGroups groups(file_system, timeline, write.time);
  ARROW_RETURN_NOT_OK(groups.List("", 0));
  // At the newest write nothing that counts can have been cleaned.
  if (write.time != timeline.writes().back().time) ARROW_RETURN_NOT_OK(groups.AddCleaned());
  ARROW_RETURN_NOT_OK(groups.DropReplaced());
  return groups.Newest();
}

}  // namespace tercet
