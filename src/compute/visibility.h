#pragma once

#include <cstdint>
#include <optional>

namespace tercet {

/// The one rule of time (decision 6), for the point-in-time join and the online store alike: a row
/// is visible to a reader at `time_us` when it is not later and not older than the TTL. An age of
/// exactly the TTL is still visible. All times are microseconds since the epoch; safe at extremes.
inline bool NotLater(int64_t event_time_us, int64_t time_us) { return event_time_us <= time_us; }

inline bool WithinTtl(int64_t event_time_us, int64_t time_us, std::optional<int64_t> ttl_us) {
  if (!ttl_us) return true;
  // The difference of two times fits in 64 unsigned bits when event_time_us <= time_us.
  return static_cast<uint64_t>(time_us) - static_cast<uint64_t>(event_time_us) <=
         static_cast<uint64_t>(*ttl_us);
}

inline bool Visible(int64_t event_time_us, int64_t time_us, std::optional<int64_t> ttl_us) {
  return NotLater(event_time_us, time_us) && WithinTtl(event_time_us, time_us, ttl_us);
}

}  // namespace tercet
