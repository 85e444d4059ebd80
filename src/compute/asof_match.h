#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "compute/asof_left.h"
#include "compute/sort_key.h"

namespace tercet {

/// Which right row each of some left rows sees.
struct AsOfBlock {
  int64_t left_begin;        ///< position in AsOfLeft of the first
  int64_t size;              ///< at most AsOfMatcher::kBlockRows
  /// For each: the right row's number (counted over all chunks), or −1. In one block all numbers
  /// are of the last chunk fed, or all are the last row of the chunks before it.
  const int64_t* right;
};

/// The as-of match as one forward merge: for each left row the last right row of its key with the
/// latest time at or before its own, within the TTL (compute/visibility.h). Both sides are in
/// (key, time) order; of right rows with equal key and time the last one wins. Left rows
/// [begin, end) are answered once each, in order. Where one side is sparse the other is galloped
/// over, so the cost is O(left + right) at most and O(left × log(right ÷ left)) at best.
///
/// Pure: no I/O, no threads, no allocation after the first block. Not thread-safe; use one for each
/// part of the left rows.
class AsOfMatcher {
 public:
  static constexpr int64_t kBlockRows = 2048;
  using Emit = std::function<Status(const AsOfBlock&)>;

  /// `left` must outlive the matcher. `timed` is whether the right side has times; without them,
  /// or where the left side has none, the last row of a key is the one seen and the TTL is unused.
  AsOfMatcher(const AsOfLeft* left, int64_t begin, int64_t end, bool timed,
              std::optional<int64_t> ttl_us);

  /// The next right chunk: rows of valid keys, in order, not before those fed already. Emits all
  /// left rows before the chunk's last row; later ones wait for the next chunk, so the caller
  /// keeps the last row of a chunk until the next call has returned.
  Status Feed(const SortKeys& keys, const int64_t* times_us, const Emit& emit);
  /// The same where the keys' codes are known already (AsOfLeft).
  Status FeedCodes(const uint64_t* codes, const int64_t* times_us, int64_t size, const Emit& emit);
  /// Emits the rest.
  Status Finish(const Emit& emit);

  /// Whether no further right row can change an answer.
  bool done() const { return next_ == end_; }
  /// The next left position to be answered; its key bounds what right rows are still wanted.
  int64_t next() const { return next_; }

 private:
  const uint64_t* CodesOf(const SortKeys& keys);
  template <bool kTimed>
  Status Merge(const uint64_t* codes, const int64_t* times_us, int64_t size, const Emit& emit);
  template <bool kTimed>
  Status EmitCarried(int64_t until, const Emit& emit);

  const AsOfLeft* const left_;
  const int64_t end_;
  const bool timed_;
  const std::optional<int64_t> ttl_us_;
  int64_t next_;
  int64_t fed_ = 0;  // right rows so far
  // The last right row fed, which left rows that come after it may see.
  uint64_t carried_code_ = 0;
  int64_t carried_time_us_ = 0;
  int64_t rank_ = 0;  // cursor into the distinct left keys
  std::vector<uint64_t> codes_;
  std::vector<int64_t> block_;
};

}  // namespace tercet
