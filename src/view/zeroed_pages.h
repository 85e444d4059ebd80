#pragma once

#include <cstdint>
#include <memory>

#include <arrow/buffer.h>

#include "base/result.h"

namespace tercet {

/// A buffer of zeros. A large one comes fresh from the kernel, which zeroes its pages when they are
/// first written, in huge pages where it has them: no pass over memory of our own, and few faults.
Result<std::shared_ptr<arrow::Buffer>> ZeroedPages(int64_t size_bytes);

}  // namespace tercet
