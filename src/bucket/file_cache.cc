#include "bucket/file_cache.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"

namespace tercet {
namespace {

constexpr std::string_view kStaging = "staging";
constexpr int64_t kLeftoverAgeUs = 24LL * 3600 * 1'000'000;
constexpr int kMapAttempts = 5;

/// How far a full cache is emptied, so that not every new file looks through all of them.
int64_t RoomOf(int64_t max_bytes) { return max_bytes - max_bytes / 8; }

/// The time of the disk's files, which are this machine's.
int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

FileCache::FileCache(std::string directory, int64_t max_bytes)
    : directory_(std::move(directory)), max_bytes_(max_bytes) {}

Result<std::unique_ptr<FileCache>> FileCache::Open(const std::string& directory,
                                                   int64_t max_bytes) {
  std::unique_ptr<FileCache> cache(new FileCache(directory, max_bytes));
  ARROW_RETURN_NOT_OK(cache->disk_->MakeDirectory(JoinPath(directory, kStaging)));
  ARROW_RETURN_NOT_OK(cache->RemoveOldStaged());
  return cache;
}

Status FileCache::RemoveOldStaged() const {
  const std::string staging = JoinPath(directory_, kStaging);
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, disk_->List(staging));
  for (const FileInfo& file : files) {
    if (file.modified_us > NowMicros() - kLeftoverAgeUs) continue;
    ARROW_RETURN_NOT_OK(disk_->Remove(JoinPath(staging, file.name)));
  }
  return Status::OK();
}

std::string FileCache::PathOf(const std::string& name) const {
  const std::string hash = Sha256Hex(name);
  return JoinPath(JoinPath(directory_, hash.substr(0, 2)), hash.substr(2));
}

std::string FileCache::NewStagedPath() const {
  return JoinPath(JoinPath(directory_, kStaging), NewUuid());
}

Result<FileInfo> FileCache::Stat(const std::string& name) const {
  return disk_->Stat(PathOf(name));
}

Status FileCache::Ensure(const std::string& name, const Fill& fill) {
  const std::string path = PathOf(name);
  {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return !filling_.contains(name); });
    // The time of the last use is the file's own, for other processes count it too.
    if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) return Status::OK();
    filling_.insert(name);
  }
  const std::string staged = NewStagedPath();
  Status made = fill(staged);
  if (made.ok()) made = Adopt(name, staged);
  if (!made.ok()) {
    const Status removed = disk_->Remove(staged);
    if (!removed.ok()) LogWarn(removed.message());
  }
  {
    const std::lock_guard lock(mutex_);
    filling_.erase(name);
  }
  filled_.notify_all();
  return made;
}

Result<std::shared_ptr<arrow::io::RandomAccessFile>> FileCache::Map(const std::string& name,
                                                                    const Fill& fill) {
  Status missing;
  for (int attempt = 0; attempt < kMapAttempts; ++attempt) {
    ARROW_RETURN_NOT_OK(Ensure(name, fill));
    auto mapped = disk_->OpenMapped(PathOf(name));
    // Another process may make room between the two.
    if (!mapped.status().IsKeyError()) return mapped;
    missing = mapped.status();
  }
  return Status::IOError("copies of the bucket's files go faster than they are read; give the ",
                         "cache more room: ", missing.message());
}

Status FileCache::Adopt(const std::string& name, const std::string& staged) {
  ARROW_ASSIGN_OR_RAISE(const FileInfo info, disk_->Stat(staged));
  // A machine that loses power may otherwise find the name, and no bytes.
  ARROW_RETURN_NOT_OK(disk_->SyncFile(staged));
  ARROW_RETURN_NOT_OK(MakeRoom(info.size_bytes));
  const std::string path = PathOf(name);
  ARROW_RETURN_NOT_OK(disk_->MakeDirectory(path.substr(0, path.rfind('/'))));
  ARROW_RETURN_NOT_OK(disk_->Rename(staged, path));
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) {
    LogDebug("'" + path + "' was removed at once to make room");
  }
  return Status::OK();
}

void FileCache::Forget(const std::string& name) {
  const Status removed = disk_->Remove(PathOf(name));
  if (!removed.ok()) LogWarn(removed.message());
}

Status FileCache::MakeRoom(int64_t added_bytes) {
  const std::lock_guard lock(room_mutex_);
  if (bytes_ >= 0 && bytes_ + added_bytes <= max_bytes_) {
    bytes_ += added_bytes;
    return Status::OK();
  }
  struct Copy {
    std::string path;
    int64_t size_bytes;
    int64_t used_us;
  };
  std::vector<Copy> copies;
  bytes_ = added_bytes;
  ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> folders, disk_->List(directory_));
  for (const FileInfo& folder : folders) {
    if (!folder.is_directory || folder.name == kStaging) continue;
    const std::string path = JoinPath(directory_, folder.name);
    ARROW_ASSIGN_OR_RAISE(const std::vector<FileInfo> files, disk_->List(path));
    for (const FileInfo& file : files) {
      copies.push_back({JoinPath(path, file.name), file.size_bytes, file.modified_us});
      bytes_ += file.size_bytes;
    }
  }
  if (bytes_ <= max_bytes_) return Status::OK();
  std::sort(copies.begin(), copies.end(),
            [](const Copy& a, const Copy& b) { return a.used_us < b.used_us; });
  for (const Copy& copy : copies) {
    if (bytes_ <= RoomOf(max_bytes_)) break;
    ARROW_RETURN_NOT_OK(disk_->Remove(copy.path));
    bytes_ -= copy.size_bytes;
  }
  return Status::OK();
}

}  // namespace tercet
