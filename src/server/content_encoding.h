#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// What a body with the header "Content-Encoding: gzip" (or x-gzip, or deflate, which is zlib's
/// form) says. Thread-safe.
/// CapacityError as soon as it says more than `max_bytes`: a kilobyte may stand for a megabyte.
/// NotImplemented for another encoding; Invalid for a body that is not in its encoding, or not
/// whole.
Result<std::string> DecodeContent(std::string_view encoding, std::string_view body,
                                  size_t max_bytes);

}  // namespace tercet
