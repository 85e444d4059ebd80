#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// Formats microseconds since the epoch as ISO 8601 in UTC: "2013-01-01T05:00:00Z", with
/// ".123456" when there is a fraction.
std::string FormatTime(int64_t time_us);

/// Parses ISO 8601 dates and times ("2013-01-01", "2013-01-01 05:00", "2013-01-01T05:00:00.5Z",
/// "...+02:00"; without an offset UTC is meant). Invalid otherwise, naming the text.
Result<int64_t> ParseTime(std::string_view text);

/// Parses a duration such as "3h", "90s", "5min", "7d", "250ms", "1d12h" into microseconds.
/// Invalid when empty, negative, overflowing or of an unknown unit.
Result<int64_t> ParseDuration(std::string_view text);

/// The shortest text that ParseDuration reads back: 10800000000 is "3h".
std::string FormatDuration(int64_t duration_us);

}  // namespace tercet
