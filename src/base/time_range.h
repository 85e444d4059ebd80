#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// That a range of times [start, end), either open where it has no value, does not end before it
/// starts: Invalid, naming both, for "`what`". A range that ends where it starts is empty, which is
/// fine.
Status CheckTimeRange(std::string_view what, std::optional<int64_t> start_us,
                      std::optional<int64_t> end_us);

}  // namespace tercet
