#include "registry/file_lock.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace tercet {

Result<FileLock> FileLock::Acquire(const std::string& path, int timeout_seconds) {
  FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.fd_ < 0) {
    return Status::IOError("cannot open lock file '", path, "': ", std::strerror(errno));
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_seconds);
  while (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return Status::IOError("cannot lock '", path, "': ", std::strerror(errno));
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return Status::Cancelled("another process held '", path, "' for ", timeout_seconds, " s");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return lock;
}

FileLock::~FileLock() {
  if (fd_ < 0) return;
  // Closing is not enough: a child that was forked meanwhile has the descriptor, too.
  ::flock(fd_, LOCK_UN);
  ::close(fd_);
}

}  // namespace tercet
