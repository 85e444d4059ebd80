#include "bucket/bucket_file_system.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include <arrow/buffer.h>
#include <arrow/io/file.h>

#include "base/log.h"
#include "bucket/file_cache.h"
#include "bucket/s3_client.h"

namespace tercet {
namespace {

constexpr int64_t kFetchBytes = 8 << 20;

/// A file that is being written, not uploaded yet.
struct Staged {
  std::string path;  ///< where it is on the local disk
  bool closed = false;
};

/// Tells when it was closed.
class StagedStream : public arrow::io::OutputStream {
 public:
  StagedStream(std::shared_ptr<arrow::io::OutputStream> file, std::function<void()> on_close)
      : file_(std::move(file)), on_close_(std::move(on_close)) {}

  Status Close() override {
    if (file_->closed()) return Status::OK();
    ARROW_RETURN_NOT_OK(file_->Close());
    on_close_();
    return Status::OK();
  }
  bool closed() const override { return file_->closed(); }
  Result<int64_t> Tell() const override { return file_->Tell(); }
  Status Write(const void* data, int64_t size) override { return file_->Write(data, size); }
  Status Write(const std::shared_ptr<arrow::Buffer>& data) override { return file_->Write(data); }
  Status Flush() override { return file_->Flush(); }

 private:
  const std::shared_ptr<arrow::io::OutputStream> file_;
  const std::function<void()> on_close_;
};

/// A new local file that parts are written into, at their places, from several threads.
class PartsFile {
 public:
  static Result<PartsFile> Make(const std::string& path) {
    PartsFile file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), path);
    if (file.fd_ < 0) return file.Failure();
    return file;
  }
  PartsFile(PartsFile&& other) noexcept : fd_(other.fd_), path_(std::move(other.path_)) {
    other.fd_ = -1;
  }
  PartsFile& operator=(PartsFile&&) = delete;
  ~PartsFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  Status WriteAt(int64_t begin, std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t size = ::pwrite(fd_, bytes.data(), bytes.size(), begin);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return Failure();
      bytes.remove_prefix(size);
      begin += size;
    }
    return Status::OK();
  }

 private:
  PartsFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Status Failure() const {
    return Status::IOError("cannot write '", path_, "': ", std::strerror(errno));
  }

  int fd_;
  std::string path_;
};

class BucketFileSystem : public FileSystem {
 public:
  BucketFileSystem(const S3Settings& settings, const std::string& bucket,
                   std::unique_ptr<FileCache> cache, const Clock* clock)
      : root_("s3://" + bucket), client_(settings, bucket, clock), cache_(std::move(cache)) {}

  Status MakeDirectory(const std::string& path) override {
    return KeyOf(path) ? Status::OK() : disk_->MakeDirectory(path);
  }

  Result<std::vector<FileInfo>> List(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->List(path);
    const std::string folder = key->empty() ? "" : *key + "/";
    ARROW_ASSIGN_OR_RAISE(const ObjectListing listing, client_.List(folder, "/"));
    std::vector<FileInfo> files;
    for (const ObjectInfo& object : listing.objects) {
      if (!object.key.starts_with(folder)) return Misplaced(object.key, path);
      const std::string name = object.key.substr(folder.size());
      // Consoles make folders visible by an object whose name is the folder's.
      if (!name.empty()) files.push_back(InfoOf(name, object));
    }
    for (const std::string& prefix : listing.prefixes) {
      if (!prefix.starts_with(folder) || prefix.size() == folder.size()) {
        return Misplaced(prefix, path);
      }
      FileInfo directory{.name = prefix.substr(folder.size())};
      directory.name.pop_back();  // the delimiter
      directory.is_directory = true;
      files.push_back(std::move(directory));
    }
    std::sort(files.begin(), files.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
    return files;
  }

  Result<FileInfo> Stat(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->Stat(path);
    if (const auto staged = FindStaged(*key)) return disk_->Stat(staged->path);
    if (IsImmutable(*key)) {
      Result<FileInfo> kept = cache_->Stat(CacheName(*key));
      if (kept.ok()) {
        kept->name = key->substr(key->rfind('/') + 1);
        return kept;
      }
    }
    ARROW_ASSIGN_OR_RAISE(const ObjectInfo object, client_.Head(*key));
    return InfoOf(key->substr(key->rfind('/') + 1), object);
  }

  Result<bool> Exists(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->Exists(path);
    if (FindStaged(*key)) return true;
    const Status found = client_.Head(*key).status();
    if (found.IsKeyError()) return false;
    ARROW_RETURN_NOT_OK(found);
    return true;
  }

  Result<std::string> ReadFile(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->ReadFile(path);
    ARROW_ASSIGN_OR_RAISE(ObjectPart object, client_.GetAll(*key));
    return std::move(object.bytes);
  }

  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenMapped(
      const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->OpenMapped(path);
    if (const auto staged = FindStaged(*key)) return disk_->OpenMapped(staged->path);
    ARROW_ASSIGN_OR_RAISE(const std::string name, CurrentCacheName(*key));
    return cache_->Map(name, [&](const std::string& into) { return Fetch(*key, into); });
  }

  Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->Create(path);
    const std::string local = cache_->NewStagedPath();
    ARROW_ASSIGN_OR_RAISE(auto file, disk_->Create(local));
    {
      const std::lock_guard lock(mutex_);
      staged_[*key] = {.path = local, .closed = false};
    }
    const auto on_close = [this, key = *key, local] {
      const std::lock_guard lock(mutex_);
      const auto found = staged_.find(key);
      if (found != staged_.end() && found->second.path == local) found->second.closed = true;
    };
    return std::make_shared<StagedStream>(std::move(file), on_close);
  }

  Status SyncFile(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->SyncFile(path);
    const auto staged = FindStaged(*key);
    // What is still being written goes up when it is whole.
    if (!staged || !staged->closed) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto file, disk_->OpenMapped(staged->path));
    ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
    ARROW_ASSIGN_OR_RAISE(const auto bytes, file->ReadAt(0, size));
    ARROW_RETURN_NOT_OK(client_.PutInParts(*key, std::string_view(*bytes)));
    ARROW_RETURN_NOT_OK(cache_->Adopt(CacheName(*key), staged->path));
    const std::lock_guard lock(mutex_);
    staged_.erase(*key);
    return Status::OK();
  }

  Status SyncDirectory(const std::string& path) override {
    return KeyOf(path) ? Status::OK() : disk_->SyncDirectory(path);
  }

  Status PutIfAbsent(const std::string& path, std::string_view bytes,
                     int64_t modified_us) override {
    const auto key = KeyOf(path);
    return key ? client_.PutIfAbsent(*key, bytes) : disk_->PutIfAbsent(path, bytes, modified_us);
  }

  Status Replace(const std::string& path, std::string_view bytes) override {
    const auto key = KeyOf(path);
    return key ? client_.Put(*key, bytes) : disk_->Replace(path, bytes);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (KeyOf(from) || KeyOf(to)) return FileSystem::Rename(from, to);
    return disk_->Rename(from, to);
  }

  Status Remove(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->Remove(path);
    std::optional<Staged> staged;
    {
      const std::lock_guard lock(mutex_);
      const auto found = staged_.find(*key);
      if (found != staged_.end()) {
        staged = found->second;
        staged_.erase(found);
      }
    }
    if (staged) ARROW_RETURN_NOT_OK(disk_->Remove(staged->path));
    cache_->Forget(CacheName(*key));
    return client_.Delete(*key);
  }

  Status RemoveTree(const std::string& path) override {
    const auto key = KeyOf(path);
    if (!key) return disk_->RemoveTree(path);
    const std::string folder = key->empty() ? "" : *key + "/";
    ARROW_ASSIGN_OR_RAISE(const ObjectListing listing, client_.List(folder, ""));
    // The last first: of a log that is removed, what is left at any moment is an older log.
    const auto& objects = listing.objects;
    for (size_t end = objects.size(); end > 0;) {
      const size_t begin = end > kRemovedAtOnce ? end - kRemovedAtOnce : 0;
      ARROW_RETURN_NOT_OK(InParallel(static_cast<int64_t>(end - begin), [&](int64_t i) {
        return Remove(JoinPath(root_, objects[begin + i].key));
      }));
      end = begin;
    }
    return Status::OK();
  }

  void Prefetch(const std::vector<std::string>& paths) override {
    std::vector<std::string> keys;
    for (const std::string& path : paths) {
      const auto key = KeyOf(path);
      if (key && IsImmutable(*key) && !cache_->Stat(CacheName(*key)).ok()) keys.push_back(*key);
    }
    if (keys.size() < 2) return;
    const Status fetched = InParallel(static_cast<int64_t>(keys.size()), [&](int64_t i) {
      return cache_->Ensure(CacheName(keys[i]),
                            [&](const std::string& into) { return Fetch(keys[i], into); });
    });
    if (!fetched.ok()) LogDebug(fetched.message());  // who maps the file is told again
  }

 private:
  static constexpr size_t kRemovedAtOnce = 8;

  /// The key of a path in the bucket; nullopt for one of the local disk.
  std::optional<std::string> KeyOf(const std::string& path) const {
    if (!path.starts_with(root_)) return std::nullopt;
    if (path.size() == root_.size()) return std::string();
    if (path[root_.size()] != '/') return std::nullopt;
    std::string key = path.substr(root_.size() + 1);
    while (key.ends_with('/')) key.pop_back();  // a folder's name may end in one
    return key;
  }

  /// A log's files may be written again under their name: an erasure does, and a table made anew.
  static bool IsImmutable(const std::string& key) {
    return !key.starts_with("_delta_log/") && key.find("/_delta_log/") == std::string::npos;
  }

  /// A store that answers another question than was asked.
  static Status Misplaced(const std::string& key, const std::string& path) {
    return Status::IOError("cannot list '", path, "': the store names '", key,
                           "', which is not below it");
  }

  std::string CacheName(const std::string& key) const { return JoinPath(root_, key); }

  /// The name of the copy of what the object is now.
  Result<std::string> CurrentCacheName(const std::string& key) {
    if (IsImmutable(key)) return CacheName(key);
    ARROW_ASSIGN_OR_RAISE(const ObjectInfo object, client_.Head(key));
    return CacheName(key) + " " + object.etag;
  }

  static FileInfo InfoOf(const std::string& name, const ObjectInfo& object) {
    return {.name = name,
            .size_bytes = object.size_bytes,
            .modified_us = object.modified_us,
            .is_directory = false};
  }

  std::optional<Staged> FindStaged(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = staged_.find(key);
    if (found == staged_.end()) return std::nullopt;
    return found->second;
  }

  /// A whole object into a new local file; large ones in parts that come at once.
  Status Fetch(const std::string& key, const std::string& into) {
    ARROW_ASSIGN_OR_RAISE(const ObjectPart first, client_.Get(key, 0, kFetchBytes));
    ARROW_ASSIGN_OR_RAISE(const PartsFile file, PartsFile::Make(into));
    ARROW_RETURN_NOT_OK(file.WriteAt(0, first.bytes));
    const int64_t rest = first.whole.size_bytes - static_cast<int64_t>(first.bytes.size());
    return InParallel((rest + kFetchBytes - 1) / kFetchBytes, [&](int64_t i) -> Status {
      const int64_t begin = (i + 1) * kFetchBytes;
      ARROW_ASSIGN_OR_RAISE(const ObjectPart part,
                            client_.Get(key, begin, kFetchBytes, first.whole.etag));
      return file.WriteAt(begin, part.bytes);
    });
  }

  const std::string root_;  ///< "s3://bucket"
  S3Client client_;
  const std::unique_ptr<FileCache> cache_;
  const std::shared_ptr<FileSystem> disk_ = LocalFileSystem();
  std::mutex mutex_;
  std::map<std::string, Staged> staged_;  // by key; guarded by mutex_
};

}  // namespace

Result<std::shared_ptr<FileSystem>> MakeBucketFileSystem(const S3Settings& settings,
                                                         const std::string& bucket,
                                                         const std::string& cache_directory,
                                                         const Clock* clock) {
  ARROW_ASSIGN_OR_RAISE(auto cache, FileCache::Open(cache_directory, settings.cache_bytes));
  return std::make_shared<BucketFileSystem>(settings, bucket, std::move(cache), clock);
}

}  // namespace tercet
