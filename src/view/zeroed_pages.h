#pragma once

#include <cstdint>
#include <memory>

#include <arrow/buffer.h>

#include "base/result.h"

namespace tercet {

/// A buffer of zeros. A large one comes fresh from the kernel, so there is no pass of our own over
/// it. Huge pages are not asked for: where a virtual machine's host has to find one first, touching
/// it was seen to cost six times what the same bytes in small pages do (and an eighth where it
/// has not), and columns are written from front to back, which small pages serve well.
Result<std::shared_ptr<arrow::Buffer>> ZeroedPages(int64_t size_bytes);

}  // namespace tercet
