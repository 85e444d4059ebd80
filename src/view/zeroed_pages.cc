#include "view/zeroed_pages.h"

#include <sys/mman.h>

#include <cstring>

namespace tercet {
namespace {

constexpr int64_t kHugePage = 2 << 20;

class MappedBuffer : public arrow::MutableBuffer {
 public:
  MappedBuffer(uint8_t* data, int64_t size, void* mapping, size_t mapped)
      : arrow::MutableBuffer(data, size), mapping_(mapping), mapped_(mapped) {}
  ~MappedBuffer() override { munmap(mapping_, mapped_); }

 private:
  void* const mapping_;
  const size_t mapped_;
};

}  // namespace

Result<std::shared_ptr<arrow::Buffer>> ZeroedPages(int64_t size_bytes, WriteOrder order) {
  if (size_bytes < kHugePage) {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(size_bytes));
    std::memset(buffer->mutable_data(), 0, static_cast<size_t>(size_bytes));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  const bool random = order == WriteOrder::kRandom;
  // Huge pages begin at multiples of their size, so one more is asked for.
  const size_t mapped = static_cast<size_t>(size_bytes + (random ? kHugePage : 0));
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    return Status::OutOfMemory("no memory for a column of ", size_bytes, " bytes");
  }
  auto begin = reinterpret_cast<uintptr_t>(mapping);
  if (random) begin = (begin + kHugePage - 1) / kHugePage * kHugePage;
  auto* data = reinterpret_cast<uint8_t*>(begin);
  if (random) madvise(data, static_cast<size_t>(size_bytes), MADV_HUGEPAGE);  // only advice
  return std::make_shared<MappedBuffer>(data, size_bytes, mapping, mapped);
}

}  // namespace tercet
