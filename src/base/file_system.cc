#include "base/file_system.h"

#include <cerrno>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <arrow/io/file.h>

#include "base/id.h"

namespace tercet {
namespace {

constexpr const char* kUnknownOutcome = "tercet::UnknownOutcome";

class UnknownOutcome : public arrow::StatusDetail {
 public:
  const char* type_id() const override { return kUnknownOutcome; }
  std::string ToString() const override { return "it may have been done all the same"; }
};

Status Failure(std::string_view verb, const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return Status::KeyError("cannot ", verb, " '", path, "': it does not exist");
  }
  return Status::IOError("cannot ", verb, " '", path, "': ", std::strerror(error));
}

/// A file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

Status Sync(const std::string& path, int flags) {
  Descriptor file(path, flags);
  if (!file.ok()) return Failure("open", path, errno);
  if (::fsync(file.get()) != 0) return Failure("sync", path, errno);
  return Status::OK();
}

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

FileInfo InfoOf(std::string name, const struct stat& found) {
  return {.name = std::move(name),
          .size_bytes = found.st_size,
          .modified_us = found.st_mtim.tv_sec * 1000000LL + found.st_mtim.tv_nsec / 1000,
          .is_directory = S_ISDIR(found.st_mode)};
}

class PosixFileSystem : public FileSystem {
 public:
  Status MakeDirectory(const std::string& path) override {
    struct stat found;
    if (::stat(path.c_str(), &found) == 0) {
      return S_ISDIR(found.st_mode) ? Status::OK() : Failure("make directory", path, EEXIST);
    }
    const std::string parent = ParentOf(path);
    if (!parent.empty()) ARROW_RETURN_NOT_OK(MakeDirectory(parent));
    if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
      return Failure("make directory", path, errno);
    }
    // What is made durable in a directory is lost with it, unless its own name is durable, too.
    return SyncDirectory(parent.empty() ? "." : parent);
  }

  Result<std::vector<FileInfo>> List(const std::string& path) override {
    std::vector<FileInfo> entries;
    std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    if (directory == nullptr) {
      if (errno == ENOENT) return entries;
      return Failure("list", path, errno);
    }
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr && errno != 0) return Failure("list", path, errno);
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      Result<FileInfo> info = Stat(JoinPath(path, name));
      // A file may go away between readdir and stat: then it is simply not there.
      if (info.status().IsKeyError()) continue;
      ARROW_RETURN_NOT_OK(info);
      entries.push_back(*std::move(info));
    }
    std::sort(entries.begin(), entries.end(),
              [](const FileInfo& a, const FileInfo& b) { return a.name < b.name; });
    return entries;
  }

  Result<FileInfo> Stat(const std::string& path) override {
    struct stat found;
    if (::stat(path.c_str(), &found) != 0) return Failure("read", path, errno);
    return InfoOf(std::filesystem::path(path).filename().string(), found);
  }

  Result<bool> Exists(const std::string& path) override {
    struct stat found;
    if (::stat(path.c_str(), &found) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return Failure("read", path, errno);
  }

  Result<std::string> ReadFile(const std::string& path) override {
    Descriptor file(path, O_RDONLY);
    if (!file.ok()) return Failure("read", path, errno);
    struct stat found;
    if (::fstat(file.get(), &found) != 0) return Failure("read", path, errno);
    std::string bytes(found.st_size, '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t size = ::read(file.get(), bytes.data() + done, bytes.size() - done);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return Failure("read", path, errno);
      if (size == 0) break;
      done += size;
    }
    bytes.resize(done);
    return bytes;
  }

  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenMapped(
      const std::string& path) override {
    ARROW_ASSIGN_OR_RAISE(const FileInfo info, Stat(path));
    // mmap refuses empty files; an ordinary handle answers their reads the same.
    if (info.size_bytes == 0) {
      ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path));
      return file;
    }
    ARROW_ASSIGN_OR_RAISE(auto file,
                          arrow::io::MemoryMappedFile::Open(path, arrow::io::FileMode::READ));
    return file;
  }

  Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& path) override {
    ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::FileOutputStream::Open(path));
    return file;
  }

  Status SyncFile(const std::string& path) override { return Sync(path, O_RDONLY); }
  Status SyncDirectory(const std::string& path) override {
    return Sync(path, O_RDONLY | O_DIRECTORY);
  }

  Status PutIfAbsent(const std::string& path, std::string_view bytes,
                     int64_t modified_us) override {
    const std::string temporary = path + ".tmp-" + NewUuid();
    ARROW_RETURN_NOT_OK(WriteDurably(temporary, bytes));
    if (modified_us > 0) {
      const timespec time = {.tv_sec = modified_us / 1000000,
                             .tv_nsec = modified_us % 1000000 * 1000};
      const timespec times[2] = {time, time};
      ::utimensat(AT_FDCWD, temporary.c_str(), times, 0);
    }
    const int linked = ::link(temporary.c_str(), path.c_str());
    const int error = errno;
    ::unlink(temporary.c_str());
    if (linked != 0) {
      if (error == EEXIST) return Status::AlreadyExists("'", path, "' exists");
      return Failure("create", path, error);
    }
    return SyncDirectory(ParentOf(path));
  }

  Status Replace(const std::string& path, std::string_view bytes) override {
    const std::string temporary = path + ".tmp-" + NewUuid();
    ARROW_RETURN_NOT_OK(WriteDurably(temporary, bytes));
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      const int error = errno;
      ::unlink(temporary.c_str());
      return Failure("replace", path, error);
    }
    return SyncDirectory(ParentOf(path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      const int error = errno;
      return Explain(Failure("rename", from, error), "to '" + to + "'");
    }
    return Status::OK();
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return Failure("remove", path, errno);
    return Status::OK();
  }

  Status RemoveTree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return Failure("remove", path, error.value());
    return Status::OK();
  }

 private:
  /// Writes and syncs a new file; removes it again when that fails (a full disk).
  static Status WriteDurably(const std::string& path, std::string_view bytes) {
    Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (!file.ok()) return Failure("create", path, errno);
    while (!bytes.empty()) {
      const ssize_t size = ::write(file.get(), bytes.data(), bytes.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) {
        const int error = errno;
        ::unlink(path.c_str());
        return Failure("write", path, error);
      }
      bytes.remove_prefix(size);
    }
    if (::fsync(file.get()) != 0) {
      const int error = errno;
      ::unlink(path.c_str());
      return Failure("sync", path, error);
    }
    return Status::OK();
  }
};

}  // namespace

// Not pure, so that a faulty file system of a test need not know it.
Status FileSystem::Rename(const std::string& from, const std::string& to) {
  return Status::NotImplemented("cannot rename '", from, "' to '", to, "' on this file system");
}

void FileSystem::Prefetch(const std::vector<std::string>&) {}

Status WithUnknownOutcome(const Status& error) {
  return error.WithDetail(std::make_shared<UnknownOutcome>());
}

bool HasUnknownOutcome(const Status& status) {
  return status.detail() != nullptr && status.detail()->type_id() == kUnknownOutcome;
}

std::shared_ptr<FileSystem> LocalFileSystem() {
  static const std::shared_ptr<FileSystem> local = std::make_shared<PosixFileSystem>();
  return local;
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

}  // namespace tercet
