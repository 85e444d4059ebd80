#pragma once

#include <cstdint>

#include "offline/plain_column.h"

namespace tercet {

/// Takes values of eight bytes that lie in pages, for rows that are asked for in their order, eight
/// at a time in AVX-512. Called only where HasAvx512() (base/avx512.h).
///
/// values[i] becomes the value of row from[i] of `source`, and bit i of `bits` 1; zero and 0 where
/// from[i] is −1 or the value null. `from` ascends where it is not −1. Writes `count` values and
/// whole bytes of the bits. What comes next in the file is asked for ahead.
void TakeFromPages(const PlainColumn& source, const int32_t* from, int64_t count, uint8_t* values,
                   uint8_t* bits);

}  // namespace tercet
