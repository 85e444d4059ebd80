#pragma once

#include <string>
#include <string_view>

#include <arrow/util/compression.h>

#include "base/result.h"

namespace tercet {

/// The bytes that were compressed. CapacityError when they are more than `most`, which is found
/// before there is memory for them; IOError for what the codec doesn't understand.
Result<std::string> Decompress(arrow::util::Codec* codec, std::string_view bytes, size_t most);

}  // namespace tercet
