#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tercet {

/// Bounds of a column's times in microseconds. Statistics keep milliseconds, cut, so the last is
/// moved up by one.
struct TimeBounds {
  int64_t min_us = 0;
  int64_t max_us = 0;
};

/// What a file's statistics (`add.stats`, JSON text) say of a column of times; nullopt when they
/// say nothing, or not so that it is understood at a glance. The text is walked through, not
/// parsed: a table may have a hundred thousand of them, of many columns each.
std::optional<TimeBounds> TimeBoundsOf(std::string_view stats, std::string_view column);

/// One member of an object in a JSON text, as it stands there; nullopt when there is none, or the
/// text is no object.
std::optional<std::string_view> FindJsonMember(std::string_view text, std::string_view name);

}  // namespace tercet
