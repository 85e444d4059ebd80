#pragma once

#include <string>

#include "base/result.h"

namespace tercet {

/// Held, it keeps every other process, and every other FileLock of this one, from holding the same
/// file's lock. The kernel lets it go when the process dies.
class FileLock {
 public:
  /// Waits up to `timeout_seconds` for the lock; Cancelled after that. Creates the file.
  static Result<FileLock> Acquire(const std::string& path, int timeout_seconds);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace tercet
