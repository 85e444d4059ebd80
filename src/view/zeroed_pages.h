#pragma once

#include <cstdint>
#include <memory>

#include <arrow/buffer.h>

#include "base/result.h"

namespace tercet {

/// In which order a buffer will be written.
enum class WriteOrder { kSequential, kRandom };

/// A buffer of zeros. A large one comes fresh from the kernel, so there is no pass of our own over
/// it. Written at random it is of huge pages, which spares misses of the address cache; written in
/// sequence of small ones: on virtual machines a fresh huge page can cost several times its
/// zeroing, when the host has to find it first.
Result<std::shared_ptr<arrow::Buffer>> ZeroedPages(int64_t size_bytes, WriteOrder order);

}  // namespace tercet
