#pragma once

#include <cstdint>
#include <memory>

#include <arrow/buffer.h>

#include "base/result.h"

namespace tercet {

/// A buffer of zeros. A large one of LargeMemory() comes so from the kernel: there is no pass of
/// our own over it.
Result<std::shared_ptr<arrow::Buffer>> ZeroedPages(int64_t size_bytes, arrow::MemoryPool* memory);

}  // namespace tercet
