#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet {

/// The event time of rows of a group that has none, and "the beginning" as a floor.
inline constexpr int64_t kNoEventTime = std::numeric_limits<int64_t>::min();

/// One row of a key as stored: its event time, the commit that it came with, and its bytes.
struct KeyRow {
  int64_t event_time_us = kNoEventTime;
  int64_t commit = 0;
  uint32_t fingerprint = 0;  ///< of the layout of `bytes`
  std::string_view bytes;
};

/// The stored value of a key: all its rows that are kept, newest first.
///
///     u8   format (1)
///     i64  floor: every row of the key with event_time ≥ floor is here; older ones may have been
///          let go. kNoEventTime: the key is complete
///     then each row, newest first: i64 event time, i64 commit, u32 fingerprint, u32 size, bytes
///
/// All rows of a key are one value, so one Get answers a read as of any time that is kept.

/// What a read as of a time finds.
struct KeyLookup {
  enum Answer { kFound, kNoRow, kLetGo, kCorrupt };
  Answer answer = kCorrupt;
  KeyRow row;
  std::optional<int64_t> next_us;  ///< the event time of the row after it, if one is known
};

/// The newest row with event_time ≤ time: kFound; kNoRow when there is none; kLetGo when there may
/// have been one that is no longer kept. Never reads outside `value`.
KeyLookup FindAsOf(std::string_view value, int64_t time_us);

/// The rows of one key while they are changed. Rows given as views must outlive it.
class KeyRows {
 public:
  /// IOError when the bytes are not a value.
  static Result<KeyRows> Parse(std::string_view value);
  KeyRows() = default;

  /// Puts a row in place of one of the same event time, unless that came with a later commit.
  /// A row older than the floor is not kept.
  void Upsert(const KeyRow& row);

  /// Takes the row of an event time out, unless it came with this commit or a later one: a commit
  /// that deletes and inserts the same row leaves it there.
  void Remove(int64_t event_time_us, int64_t commit);

  /// Lets go all but the `kept` newest rows at or before now, and raises the floor.
  void Trim(int kept, int64_t now_us);

  /// Whether a read as of now needs a row that was let go.
  bool NeedsRefill(int64_t now_us) const;
  /// No rows, and none let go.
  bool empty() const { return rows_.empty() && floor_us_ == kNoEventTime; }
  const std::vector<KeyRow>& rows() const { return rows_; }
  int64_t floor_us() const { return floor_us_; }

  void AppendTo(std::string* out) const;

 private:
  int64_t floor_us_ = kNoEventTime;
  std::vector<KeyRow> rows_;  // newest first
};

}  // namespace tercet
