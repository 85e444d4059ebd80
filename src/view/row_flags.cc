#include "view/row_flags.h"

#include <cstring>

namespace tercet {

Result<std::shared_ptr<arrow::Buffer>> RowFlags::Pack(int64_t* set) const {
  ARROW_ASSIGN_OR_RAISE(auto bitmap, arrow::AllocateBuffer((rows_ + 7) / 8));
  *set = 0;
  for (size_t i = 0; i < flags_.size(); i += 8) {
    uint64_t eight;
    std::memcpy(&eight, flags_.data() + i, 8);
    // Moves the lowest bit of byte k to bit k of the top byte.
    const auto byte = static_cast<uint8_t>((eight * 0x0102040810204080) >> 56);
    bitmap->mutable_data()[i / 8] = byte;
    *set += __builtin_popcount(byte);
  }
  return std::shared_ptr<arrow::Buffer>(std::move(bitmap));
}

}  // namespace tercet
