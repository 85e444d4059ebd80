#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// Checks what USearch's index_gt writes to a stream and reads without a look at it: the links of
/// `vectors` vectors, `links` of each in the upper layers and twice that in the lowest, with keys
/// and slots of 32 bits. Invalid where a list is too long, or leads to no vector or to one that is
/// not in its layer, and where bytes are missing or left over.
Status CheckGraphBytes(std::string_view bytes, size_t vectors, size_t links);

}  // namespace tercet
