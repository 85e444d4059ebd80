#include "offline/scratch_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tercet {
namespace {

Status Failure(const char* verb, const std::string& folder, int error) {
  return Status::IOError("cannot ", verb, " a scratch file in '", folder,
                         "': ", std::strerror(error));
}

/// An open file without a name, or −1 with errno.
int OpenNameless(const std::string& folder) {
#ifdef O_TMPFILE
  const int nameless = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (nameless >= 0) return nameless;
  // Not every file system has such files; ENOENT is also what old kernels say of them.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT) return -1;
#endif
  std::string path = folder + "/.tercet-scratch-XXXXXX";
  const int named = ::mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(path.c_str());
  return named;
}

class ScratchSink : public arrow::io::OutputStream {
 public:
  ScratchSink(std::string folder, int descriptor)
      : folder_(std::move(folder)), descriptor_(descriptor) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  Status Close() override {
    closed_ = true;
    return Status::OK();
  }
  bool closed() const override { return closed_; }
  Result<int64_t> Tell() const override { return size_; }
  using arrow::io::OutputStream::Write;
  Status Write(const void* data, int64_t size) override {
    const auto* from = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = ::write(descriptor_, from, static_cast<size_t>(size));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failure("write", folder_, errno);
      from += written;
      size -= written;
      size_ += written;
    }
    return Status::OK();
  }

 private:
  const std::string folder_;
  const int descriptor_;
  int64_t size_ = 0;
  bool closed_ = false;
};

class MappedBuffer : public arrow::Buffer {
 public:
  MappedBuffer(const void* data, int64_t size)
      : arrow::Buffer(static_cast<const uint8_t*>(data), size) {}
  ~MappedBuffer() override {
    ::munmap(const_cast<uint8_t*>(data()), static_cast<size_t>(size()));
  }
};

}  // namespace

ScratchFile::ScratchFile(std::string folder, int descriptor)
    : folder_(std::move(folder)),
      descriptor_(descriptor),
      sink_(std::make_unique<ScratchSink>(folder_, descriptor)) {}

ScratchFile::~ScratchFile() { ::close(descriptor_); }

Result<std::unique_ptr<ScratchFile>> ScratchFile::Make(const std::string& folder) {
  const int descriptor = OpenNameless(folder);
  if (descriptor < 0) return Failure("make", folder, errno);
  return std::unique_ptr<ScratchFile>(new ScratchFile(folder, descriptor));
}

Result<std::shared_ptr<arrow::Buffer>> ScratchFile::Map() {
  ARROW_ASSIGN_OR_RAISE(const int64_t size, sink_->Tell());
  ARROW_RETURN_NOT_OK(sink_->Close());
  if (size == 0) return std::make_shared<arrow::Buffer>(nullptr, 0);
  void* data = ::mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_SHARED, descriptor_, 0);
  if (data == MAP_FAILED) return Failure("map", folder_, errno);
  return std::make_shared<MappedBuffer>(data, size);
}

}  // namespace tercet
