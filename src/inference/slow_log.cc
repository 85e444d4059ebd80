#include "inference/slow_log.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_system.h"

namespace tercet {
namespace {

constexpr int64_t kLinesPerSecond = 100;
constexpr int64_t kMaxBytes = 16 << 20;
constexpr int64_t kSecondUs = 1'000'000;

}  // namespace

Status SlowLog::Append(json::object line, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (now_us / kSecondUs != second_) {
    second_ = now_us / kSecondUs;
    lines_ = 0;
  }
  if (lines_ == kLinesPerSecond) {
    ++left_out_;
    return Status::OK();
  }
  ++lines_;
  if (left_out_ > 0) line["left_out"] = left_out_;
  const Status written = Write(ToText(line) + "\n");
  if (written.ok()) {
    left_out_ = 0;
    failing_ = false;
    return written;
  }
  ++left_out_;
  if (failing_) return Status::OK();
  failing_ = true;
  return written;
}

Status SlowLog::Write(const std::string& line) {
  int fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 && errno == ENOENT) {
    ARROW_RETURN_NOT_OK(LocalFileSystem()->MakeDirectory(path_.substr(0, path_.rfind('/'))));
    fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  }
  if (fd < 0) return Status::IOError("cannot open '", path_, "': ", std::strerror(errno));
  const ssize_t written = ::write(fd, line.data(), line.size());
  const int error = errno;
  struct stat info {};
  const bool large = ::fstat(fd, &info) == 0 && info.st_size > kMaxBytes;
  ::close(fd);
  if (written != static_cast<ssize_t>(line.size())) {
    return Status::IOError("cannot append to '", path_, "': ", std::strerror(error));
  }
  // Another process may do the same at once: then one of both files is the small one.
  if (large) return LocalFileSystem()->Rename(path_, path_ + ".1");
  return Status::OK();
}

}  // namespace tercet
