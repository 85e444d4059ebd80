#include "training/whole_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>

#include "base/file_system.h"
#include "base/id.h"

namespace tercet {
namespace {

namespace fs = std::filesystem;

/// ".scores.parquet-<uuid>.tercet-partial"
constexpr std::string_view kEnding = ".tercet-partial";
constexpr size_t kUuidBytes = 36;

bool IsPartialName(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(kEnding)) return false;
  name.remove_suffix(kEnding.size());
  if (name.size() < kUuidBytes + 2 || name[name.size() - kUuidBytes - 1] != '-') return false;
  const std::string_view uuid = name.substr(name.size() - kUuidBytes);
  return uuid.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

/// Removes the partial files in a folder that no live process writes.
void RemoveRemains(const fs::path& folder) {
  std::error_code failed;  // It may not be a folder, or not ours: then nothing is removed.
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    std::error_code unknown;
    if (!IsPartialName(entry->path().filename().string()) ||
        !fs::is_regular_file(entry->symlink_status(unknown))) {
      continue;
    }
    const int descriptor =
        ::open(entry->path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) continue;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) ::unlink(entry->path().c_str());
    ::close(descriptor);
  }
}

/// Makes an empty file and locks it; its descriptor, -1 when there can't be one. False when another
/// process took it for a remain before it was locked, and has removed it.
bool MakeLocked(const std::string& name, int* descriptor) {
  *descriptor = ::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
  if (*descriptor < 0) return true;
  // Where files can't be locked, nobody removes any.
  struct stat file {};
  if (::flock(*descriptor, LOCK_EX) != 0 || ::fstat(*descriptor, &file) != 0) return true;
  if (file.st_nlink > 0) return true;
  ::close(*descriptor);
  return false;
}

}  // namespace

WholeFiles::~WholeFiles() {
  std::error_code ignored;  // what failed is told already
  for (const File& file : files_) fs::remove(file.name, ignored);
  Clear();
}

void WholeFiles::Clear() {
  for (const File& file : files_) {
    if (file.lock >= 0) ::close(file.lock);
  }
  files_.clear();
}

std::string WholeFiles::NameFor(const std::string& path) {
  const fs::path whole(path);
  const fs::path folder = whole.parent_path();
  const bool seen = std::any_of(files_.begin(), files_.end(), [&](const File& file) {
    return fs::path(file.path).parent_path() == folder;
  });
  if (!seen) RemoveRemains(folder.empty() ? "." : folder);
  File file{.name = {}, .path = path};
  do {
    file.name =
        (folder / ("." + whole.filename().string() + "-" + NewUuid() + std::string(kEnding)))
            .string();
  } while (!MakeLocked(file.name, &file.lock));
  files_.push_back(file);
  return file.name;
}

Status WholeFiles::Publish() {
  const auto disk = LocalFileSystem();
  for (const File& file : files_) ARROW_RETURN_NOT_OK(disk->SyncFile(file.name));
  std::set<std::string> folders;
  for (const File& file : files_) {
    const std::string folder = fs::path(file.path).parent_path().string();
    folders.insert(folder.empty() ? "." : folder);
    std::error_code failed;
    fs::rename(file.name, file.path, failed);
    if (failed) return Status::IOError("cannot write '", file.path, "': ", failed.message());
  }
  Clear();
  for (const std::string& folder : folders) ARROW_RETURN_NOT_OK(disk->SyncDirectory(folder));
  return Status::OK();
}

}  // namespace tercet
