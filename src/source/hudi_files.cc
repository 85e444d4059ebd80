#include "source/hudi_files.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <tuple>

namespace tercet {
namespace {

constexpr std::string_view kBaseSuffix = ".parquet", kLogMark = ".log.";
constexpr int kMostFolders = 64;  // below each other

/// A base or log file, by its name.
struct NamedFile {
  std::string group;
  std::string time;    ///< the write that made it; of a log file before version 8, of its base file
  int64_t number = 0;  ///< of a log file: its place among those of its time
  std::string token;   ///< of a log file: who wrote it
  bool log = false;
};

/// GROUP_TOKEN_TIME.parquet, or .GROUP_TIME.log.NUMBER_TOKEN; nullopt for what is no file of rows.
std::optional<NamedFile> ParseFile(std::string_view name) {
  NamedFile file;
  if (name.starts_with('.')) {
    const size_t log = name.find(kLogMark);
    // Changes that a table keeps beside its rows are no rows.
    if (log == std::string_view::npos || name.ends_with(".cdc") || name.ends_with(".crc")) {
      return std::nullopt;
    }
    const std::string_view stem = name.substr(1, log - 1);
    const size_t under = stem.rfind('_');
    if (under == std::string_view::npos) return std::nullopt;
    file.log = true;
    file.group = stem.substr(0, under);
    file.time = stem.substr(under + 1);
    const std::string_view rest = name.substr(log + kLogMark.size());
    const auto end = std::from_chars(rest.data(), rest.data() + rest.size(), file.number);
    if (end.ec != std::errc()) return std::nullopt;
    file.token = end.ptr;
    return file;
  }
  if (!name.ends_with(kBaseSuffix)) return std::nullopt;
  const std::string_view stem = name.substr(0, name.size() - kBaseSuffix.size());
  const size_t first = stem.find('_'), last = stem.rfind('_');
  if (first == last) return std::nullopt;
  file.group = stem.substr(0, first);
  file.time = stem.substr(last + 1);
  return file;
}

/// What a file group has.
struct FileGroup {
  std::map<std::string, std::string> bases;  ///< path by the time of the write; "" of a cleaned one
  /// Paths by time, number and writer: the order in which they count.
  std::map<std::tuple<std::string, int64_t, std::string>, std::string> logs;
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
      } else if (const auto named = ParseFile(file.name); named && Counts(*named)) {
        FileGroup& group = groups_[{partition, named->group}];
        const std::string path = JoinPath(folder, file.name);
        if (named->log) {
          group.logs[{named->time, named->number, named->token}] = path;
        } else {
          group.bases[named->time] = path;
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
        if (!named || named->log || !Counts(*named)) continue;
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

  Result<std::vector<HudiSlice>> Newest() const {
    std::vector<HudiSlice> slices;
    for (const auto& [name, group] : groups_) {
      const auto newest = group.bases.rbegin();
      const std::string base = newest == group.bases.rend() ? "" : newest->first;
      HudiSlice slice;
      for (const auto& [log, path] : group.logs) {
        ARROW_ASSIGN_OR_RAISE(const bool merged, IsMerged(std::get<0>(log), base, path));
        if (!merged) slice.logs.push_back(path);
      }
      if (!base.empty() && newest->second.empty()) {
        return Status::KeyError("the Hudi table in '", timeline_.folder(), "' can't be read as of ",
                                as_of_, ": files that it had then have been cleaned away");
      }
      if (!base.empty()) slice.base = newest->second;
      if (!base.empty() || !slice.logs.empty()) slices.push_back(std::move(slice));
    }
    return slices;
  }

 private:
  bool Counts(const NamedFile& file) const {
    if (file.time > as_of_) return false;
    // A log file of a compaction that is planned has blocks of other writes: they tell themselves.
    return (file.log && !timeline_.logs_name_their_write()) || timeline_.IsCommitted(file.time);
  }

  /// Whether the rows of a log file are in the newest base file, too.
  Result<bool> IsMerged(const std::string& log, const std::string& base,
                        const std::string& path) const {
    if (!timeline_.logs_name_their_write()) return log < base;
    if (log >= base) return false;
    // A compaction takes in what was done before it was asked for.
    const std::string done = timeline_.CompletionOf(log);
    if (!done.empty()) return done < base;
    return Status::NotImplemented(
        "whether the log file '", path, "' was compacted can't be told, since its write is in the "
        "archived timeline, which is not read: clean the table (in Spark SQL: CALL run_clean(table "
        "=> '…')), which removes such files");
  }

  FileSystem* const file_system_;
  const HudiTimeline& timeline_;
  const std::string& as_of_;
  std::map<HudiGroup, FileGroup> groups_;
};

}  // namespace

Result<std::vector<HudiSlice>> HudiSlicesAsOf(FileSystem* file_system,
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
