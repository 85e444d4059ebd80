#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <condition_variable>
#include <set>
#include <string>

#include <arrow/io/interfaces.h>

#include "base/file_system.h"
#include "base/result.h"

namespace tercet {

/// Local copies of files that never change, in one directory that several processes may share.
/// When they take more than the limit, those go that were opened longest ago; what is mapped stays
/// mapped. Thread-safe.
class FileCache {
 public:
  /// Makes the directory, and removes what processes that died a day ago left half-written.
  static Result<std::unique_ptr<FileCache>> Open(const std::string& directory, int64_t max_bytes);

  /// Writes a whole new file at the path that it is given.
  using Fill = std::function<Status(const std::string& path)>;

  /// The copy by that name, mapped. When there is none, `fill` makes it; threads that ask for the
  /// same name wait for the one that does.
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> Map(const std::string& name,
                                                           const Fill& fill);
  /// Makes sure of a copy, as Map does.
  Status Ensure(const std::string& name, const Fill& fill);
  /// What is known of the copy; KeyError when there is none.
  Result<FileInfo> Stat(const std::string& name) const;
  /// Takes a complete file of the staging folder as the copy by that name.
  Status Adopt(const std::string& name, const std::string& staged);
  void Forget(const std::string& name);

  /// A new path in the staging folder, on the same disk.
  std::string NewStagedPath() const;

 private:
  FileCache(std::string directory, int64_t max_bytes);
  std::string PathOf(const std::string& name) const;
  Status MakeRoom(int64_t added_bytes);
  Status RemoveOldStaged() const;

  const std::string directory_;
  const int64_t max_bytes_;
  const std::shared_ptr<FileSystem> disk_ = LocalFileSystem();
  std::mutex mutex_;
  std::condition_variable filled_;
  std::set<std::string> filling_;  // names; guarded by mutex_
  std::mutex room_mutex_;
  int64_t bytes_ = -1;  // of all copies, nearly; −1: not counted yet; guarded by room_mutex_
};

}  // namespace tercet
