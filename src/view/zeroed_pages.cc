#include "view/zeroed_pages.h"

#include <sys/mman.h>

#include <cstring>

namespace tercet {
namespace {

constexpr int64_t kLarge = 1 << 20;

class MappedBuffer : public arrow::MutableBuffer {
 public:
  using arrow::MutableBuffer::MutableBuffer;
  ~MappedBuffer() override { munmap(mutable_data(), static_cast<size_t>(size())); }
};

}  // namespace

Result<std::shared_ptr<arrow::Buffer>> ZeroedPages(int64_t size_bytes) {
  if (size_bytes < kLarge) {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(size_bytes));
    std::memset(buffer->mutable_data(), 0, static_cast<size_t>(size_bytes));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  void* mapping = mmap(nullptr, static_cast<size_t>(size_bytes), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    return Status::OutOfMemory("no memory for a column of ", size_bytes, " bytes");
  }
  return std::make_shared<MappedBuffer>(static_cast<uint8_t*>(mapping), size_bytes);
}

}  // namespace tercet
