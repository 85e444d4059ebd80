#include "source/file_sink.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file_system.h"

namespace tercet {
namespace {

constexpr std::string_view kSuffix = ".jsonl";

class FileSink : public RecordSink {
 public:
  FileSink(std::string folder, std::string name, int64_t file_bytes, std::chrono::seconds age)
      : folder_(std::move(folder)),
        prefix_(std::move(name) + "-"),
        file_bytes_(file_bytes),
        age_(age) {}
  ~FileSink() override { Close(); }

  Status Write(std::span<const SinkRecord> records) override {
    std::string lines;
    for (const SinkRecord& record : records) {
      lines += record.json;
      lines.push_back('\n');
    }
    if (lines.empty()) return Status::OK();
    const bool old = age_.count() > 0 && TimePoint::clock::now() >= begun_ + age_;
    if (fd_ >= 0 && (size_ >= file_bytes_ || old)) Close();
    if (fd_ < 0) ARROW_RETURN_NOT_OK(Begin());
    const Status written = Append(lines);
    if (written.ok()) {
      size_ += static_cast<int64_t>(lines.size());
      return written;
    }
    // The file is nobody else's, so nothing of others is cut. One that can't be cut is left.
    if (::ftruncate(fd_, size_) != 0 || ::lseek(fd_, size_, SEEK_SET) < 0) Close();
    return written;
  }

 private:
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  Status Failed(std::string_view what) const {
    return Status::IOError("cannot ", what, " '", path_, "': ", std::strerror(errno));
  }

  /// The highest number of a file that is there; 0: there is none.
  Result<int64_t> Highest() const {
    ARROW_ASSIGN_OR_RAISE(const auto files, LocalFileSystem()->List(folder_));
    int64_t highest = 0;
    for (const FileInfo& file : files) {
      if (!file.name.starts_with(prefix_) || !file.name.ends_with(kSuffix)) continue;
      const char* const begin = file.name.data() + prefix_.size();
      const char* const end = file.name.data() + file.name.size() - kSuffix.size();
      int64_t number = 0;
      if (std::from_chars(begin, end, number).ptr == end) highest = std::max(highest, number);
    }
    return highest;
  }

  Status Begin() {
    ARROW_RETURN_NOT_OK(LocalFileSystem()->MakeDirectory(folder_));
    ARROW_ASSIGN_OR_RAISE(int64_t number, Highest());
    constexpr int kTries = 1000;  // others may begin files at the same time
    for (int i = 0; i < kTries; ++i) {
      path_ = JoinPath(folder_, fmt::format("{}{:06}{}", prefix_, ++number, kSuffix));
      fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
      if (fd_ >= 0 || errno != EEXIST) break;
    }
    if (fd_ < 0) return Failed("begin");
    size_ = 0;
    begun_ = TimePoint::clock::now();
    return Status::OK();
  }

  Status Append(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed("append to");
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return ::fdatasync(fd_) == 0 ? Status::OK() : Failed("make durable");
  }

  const std::string folder_, prefix_;
  const int64_t file_bytes_;
  const std::chrono::seconds age_;
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;  ///< of what is kept
  TimePoint begun_;
};

}  // namespace

Result<std::unique_ptr<RecordSink>> OpenFileSink(const std::string& folder,
                                                 const std::string& name, int64_t file_bytes,
                                                 std::chrono::seconds age) {
  return std::make_unique<FileSink>(folder, name, file_bytes, age);
}

}  // namespace tercet
