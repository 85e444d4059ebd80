#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/io/interfaces.h>

#include "base/result.h"

namespace tercet {

struct FileInfo {
  std::string name;  ///< the last part of the path
  int64_t size_bytes = 0;
  int64_t modified_us = 0;  ///< modification time, microseconds since the epoch
  bool is_directory = false;
};

/// The seam between Tercet and a disk. All paths are whole paths. Errors are IOError, with
/// KeyError where a file that must exist does not. Thread-safe. Tests put a faulty one between.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Makes a directory and its parents; OK when it exists.
  virtual Status MakeDirectory(const std::string& path) = 0;
  /// The entries of a directory in name order; empty when the directory does not exist.
  virtual Result<std::vector<FileInfo>> List(const std::string& path) = 0;
  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  virtual Result<bool> Exists(const std::string& path) = 0;

  /// A whole small file as a string.
  virtual Result<std::string> ReadFile(const std::string& path) = 0;
  /// A file mapped into memory (read-only): pages are shared and not anonymous memory.
  virtual Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenMapped(
      const std::string& path) = 0;
  /// A new file to stream into. It exists under its name from the start, so nothing may name it
  /// (no log entry) before SyncFile succeeded.
  virtual Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& path) = 0;
  /// Makes a closed file's bytes durable (fsync).
  virtual Status SyncFile(const std::string& path) = 0;
  /// Makes a directory's names durable (fsync of the directory).
  virtual Status SyncDirectory(const std::string& path) = 0;

  /// Publishes `bytes` under `path` atomically, durably, and only if no file has that name:
  /// AlreadyExists when one has. `modified_us` > 0 sets the modification time first. An error of
  /// HasUnknownOutcome says that the file may be there, or may still come to be.
  virtual Status PutIfAbsent(const std::string& path, std::string_view bytes,
                             int64_t modified_us = 0) = 0;
  /// Replaces `path` by `bytes` atomically and durably (temporary file, fsync, rename).
  virtual Status Replace(const std::string& path, std::string_view bytes) = 0;
  /// Gives a file or directory a new name on the same disk, atomically, durable after SyncDirectory
  /// of both parents. IOError when `to` is a directory that is not empty.
  virtual Status Rename(const std::string& from, const std::string& to);
  /// OK when the file does not exist.
  virtual Status Remove(const std::string& path) = 0;
  /// Removes a directory and all below; OK when it does not exist.
  virtual Status RemoveTree(const std::string& path) = 0;

  /// Says that these files will be mapped soon: where they are far away, they are fetched together.
  /// A failure is told by OpenMapped.
  virtual void Prefetch(const std::vector<std::string>& paths);
};

/// Marks the error of a PutIfAbsent whose answer was lost on the way, so that what the file names
/// must stay; and tells whether an error is marked.
Status WithUnknownOutcome(const Status& error);
bool HasUnknownOutcome(const Status& status);

/// The local disk (POSIX).
std::shared_ptr<FileSystem> LocalFileSystem();

/// Joins two path parts with one '/'.
std::string JoinPath(std::string_view directory, std::string_view name);

}  // namespace tercet
