#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/buffer.h>

#include "base/result.h"

namespace tercet {

/// One byte a row, 0 or 1, so that parallel tasks never share a word; packed into Arrow's bitmap
/// at the end.
class RowFlags {
 public:
  explicit RowFlags(int64_t rows) : flags_(static_cast<size_t>((rows + 7) / 8 * 8)), rows_(rows) {}

  uint8_t* data() { return flags_.data(); }

  /// The bitmap; `set` receives the number of flags that are 1.
  Result<std::shared_ptr<arrow::Buffer>> Pack(int64_t* set) const;

 private:
  std::vector<uint8_t> flags_;
  int64_t rows_;
};

}  // namespace tercet
