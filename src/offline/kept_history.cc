#include "offline/kept_history.h"

#include <charconv>
#include <unordered_set>
#include <vector>

#include "base/short_text.h"
#include "offline/data_file.h"

namespace tercet {

Result<int64_t> HistorySince(const std::map<std::string, std::string>& properties) {
  const auto found = properties.find(std::string(kHistorySinceProperty));
  if (found == properties.end()) return 0;
  const std::string& text = found->second;
  int64_t version = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), version);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && version >= 0) {
    return version;
  }
  return Status::IOError("table property '", kHistorySinceProperty, "' must be a commit, not '",
                         ShortText(text), "'");
}

Result<int64_t> OldestWholeCommit(FileSystem* file_system, Table* table) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<Commit> commits, table->Commits());
  ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
  std::unordered_set<std::string> there;
  int64_t oldest = head->version();
  for (auto commit = commits.rbegin(); commit != commits.rend(); ++commit) {
    const auto snapshot = table->AtVersion(commit->version);
    // A commit whose log is gone is as good as gone.
    if (snapshot.status().IsKeyError() || snapshot.status().IsIOError()) return oldest;
    ARROW_RETURN_NOT_OK(snapshot.status());
    ARROW_ASSIGN_OR_RAISE(const auto files, (*snapshot)->Files());
    for (const auto& file : files) {
      if (there.contains(file->path)) continue;
      ARROW_ASSIGN_OR_RAISE(const bool exists,
                            file_system->Exists(JoinPath(table->path(), file->path)));
      if (!exists) return oldest;
      there.insert(file->path);
    }
    oldest = commit->version;
  }
  return oldest;
}

}  // namespace tercet
