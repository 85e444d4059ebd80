#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace tercet {

/// The lock that says which process owns a project's online store: flock on `owner.lock`, released
/// by the kernel when the owner dies, however it dies. The file's text names the owner's socket.
/// A child that a process forks does not hold its parent's lock.
class OwnerLock {
 public:
  ~OwnerLock();
  OwnerLock(const OwnerLock&) = delete;
  OwnerLock& operator=(const OwnerLock&) = delete;

  /// Null when another owner has the lock. Makes the file when there is none.
  static Result<std::unique_ptr<OwnerLock>> TryTake(const std::string& path);

  /// Writes the socket's name for others to find.
  Status NameSocket(const std::string& socket);

  /// The name of the owner's socket, as last written; nullopt when there is none (yet).
  static Result<std::optional<std::string>> ReadSocket(const std::string& path);

  /// Counts the forks that this process came from since it was loaded: what was opened before a
  /// fork (threads, RocksDB) does not work in the child.
  static int forks();

  /// Whether this process was forked from one that had owned a store: RocksDB's threads are lost
  /// then, so it can't own one itself.
  static bool inherited();

 private:
  OwnerLock(std::string path, int descriptor);

  const std::string path_;
  const int descriptor_;
};

}  // namespace tercet
