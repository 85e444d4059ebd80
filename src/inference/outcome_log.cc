#include "inference/outcome_log.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/hash.h"

namespace tercet {
namespace {

constexpr size_t kReadBytes = 1 << 20;

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags, 0644)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Status Failed(const std::string& what, const std::string& path) {
  return Status::IOError("cannot ", what, " '", path, "': ", std::strerror(errno));
}

}  // namespace

Result<int64_t> OutcomeLog::Append(const std::vector<Outcome>& outcomes) {
  ARROW_RETURN_NOT_OK(Refresh());
  // An empty line first: what a writer before left unfinished must not swallow ours.
  std::string lines = "\n";
  int64_t appended = 0;
  std::unordered_set<uint64_t> now;
  for (const Outcome& outcome : outcomes) {
    const uint64_t hash = Hash64(outcome.request_id);
    if (seen_.contains(hash) || !now.insert(hash).second) continue;
    lines += ToText(outcome.ToJson()) + "\n";
    ++appended;
  }
  if (appended == 0) return 0;
  const Descriptor file(path_, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC);
  if (file.fd() < 0) return Failed("open", path_);
  // One call, so that lines of several processes do not mix.
  const ssize_t written = ::write(file.fd(), lines.data(), lines.size());
  if (written != static_cast<ssize_t>(lines.size())) return Failed("append outcomes to", path_);
  if (::fsync(file.fd()) != 0) return Failed("make durable", path_);
  ARROW_RETURN_NOT_OK(Refresh());
  return appended;
}

Status OutcomeLog::Refresh() {
  const Descriptor file(path_, O_RDONLY | O_CLOEXEC);
  if (file.fd() < 0) return errno == ENOENT ? Status::OK() : Failed("open", path_);
  std::string unread;
  while (true) {
    const size_t had = unread.size();
    unread.resize(had + kReadBytes);
    const ssize_t size = ::pread(file.fd(), unread.data() + had, kReadBytes,
                                 static_cast<off_t>(offset_) + static_cast<off_t>(had));
    if (size < 0) return Failed("read", path_);
    unread.resize(had + static_cast<size_t>(size));
    size_t begin = 0;
    for (size_t end = 0; (end = unread.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (end == begin) continue;
      const auto line = ParseJsonObject(std::string_view(unread).substr(begin, end - begin));
      const auto outcome = line.ok() ? Outcome::FromJson(*line) : Result<Outcome>(line.status());
      if (outcome.ok() && seen_.insert(Hash64(outcome->request_id)).second) {
        take_(outcome->number, outcome->value);
      } else {
        ++ignored_;
      }
    }
    unread.erase(0, begin);
    offset_ += static_cast<int64_t>(begin);
    if (size == 0) return Status::OK();
  }
}

}  // namespace tercet
