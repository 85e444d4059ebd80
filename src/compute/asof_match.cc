#include "compute/asof_match.h"

#include <algorithm>

#include "compute/visibility.h"

namespace tercet {
namespace {

/// Steps of the merge, of either side, that are taken before a side that stands still is seen.
constexpr int64_t kSteps = 16;
constexpr uint64_t kSignBit = uint64_t{1} << 63;

/// The first i in [from, to) for which `before(i)` is false, or `to`; `before` is true for a
/// prefix. Doubles its step, then halves it: cheap when the answer is near.
template <typename Before>
int64_t Gallop(int64_t from, int64_t to, Before&& before) {
  int64_t step = 1;
  int64_t low = from;  // all before `low` are true
  while (low < to) {
    const int64_t probe = std::min(low + step, to) - 1;
    if (!before(probe)) {
      int64_t high = probe;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (before(middle)) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    }
    low = probe + 1;
    step *= 2;
  }
  return to;
}

}  // namespace

AsOfMatcher::AsOfMatcher(const AsOfLeft* left, int64_t begin, int64_t end, bool timed,
                         std::optional<int64_t> ttl_us)
    : left_(left),
      end_(end),
      timed_(timed && left->times_us() != nullptr),
      ttl_us_(ttl_us),
      next_(begin),
      block_(static_cast<size_t>(kBlockRows)) {}

const uint64_t* AsOfMatcher::CodesOf(const SortKeys& keys) {
  if (keys.fixed()) return keys.fixed_values();
  const int64_t distinct = left_->distinct_size();
  codes_.resize(static_cast<size_t>(keys.size()));
  for (int64_t i = 0; i < keys.size(); ++i) {
    if (i > 0 && keys.bytes(i) == keys.bytes(i - 1)) {
      codes_[static_cast<size_t>(i)] = codes_[static_cast<size_t>(i - 1)];
      continue;
    }
    const std::string_view key = keys.bytes(i);
    rank_ = Gallop(rank_, distinct, [&](int64_t r) { return left_->distinct_key(r) < key; });
    const bool equal = rank_ < distinct && left_->distinct_key(rank_) == key;
    codes_[static_cast<size_t>(i)] = 2 * static_cast<uint64_t>(rank_) + (equal ? 1 : 0);
  }
  return codes_.data();
}

Status AsOfMatcher::Feed(const SortKeys& keys, const int64_t* times_us, const Emit& emit) {
  if (keys.fixed() != left_->fixed()) {
    return Status::TypeError("the keys of the two sides of a join are of different types");
  }
  return FeedCodes(CodesOf(keys), times_us, keys.size(), emit);
}

Status AsOfMatcher::FeedCodes(const uint64_t* codes, const int64_t* times_us, int64_t size,
                              const Emit& emit) {
  if (size == 0) return Status::OK();
  return timed_ ? Merge<true>(codes, times_us, size, emit)
                : Merge<false>(codes, times_us, size, emit);
}

template <bool kTimed>
Status AsOfMatcher::EmitCarried(int64_t until, const Emit& emit) {
  const AsOfLeft::Codes left_codes = left_->codes();
  const int64_t* left_times = left_->times_us();
  const std::optional<int64_t> ttl_us = ttl_us_;
  while (next_ < until) {
    const int64_t size = std::min(kBlockRows, until - next_);
    for (int64_t i = 0; i < size; ++i) {
      const int64_t l = next_ + i;
      bool seen = fed_ > 0 && left_codes[l] == carried_code_;
      if constexpr (kTimed) {
        seen = seen && WithinTtl(carried_time_us_, left_times[l], ttl_us);
      }
      block_[static_cast<size_t>(i)] = seen ? fed_ - 1 : -1;
    }
    ARROW_RETURN_NOT_OK(emit({next_, size, block_.data()}));
    next_ += size;
  }
  return Status::OK();
}

template <bool kTimed>
Status AsOfMatcher::Merge(const uint64_t* codes, const int64_t* times_us, int64_t size,
                          const Emit& emit) {
  const AsOfLeft::Codes left_codes = left_->codes();
  const int64_t* left_times = left_->times_us();
  const std::optional<int64_t> ttl_us = ttl_us_;
  const auto left_before = [&](int64_t l, int64_t r) {
    if constexpr (kTimed) {
      // One number each, so that there is no branch for a step that nobody can foretell.
      using Place = unsigned __int128;
      const auto place = [](uint64_t code, int64_t time) {
        return static_cast<Place>(code) << 64 | (static_cast<uint64_t>(time) ^ kSignBit);
      };
      return place(left_codes[l], left_times[l]) < place(codes[r], times_us[r]);
    } else {
      return left_codes[l] < codes[r];
    }
  };

  // Left rows before the chunk see what came before it; those before its last row are answered
  // from it; the rest may see a later row.
  const int64_t first = Gallop(next_, end_, [&](int64_t l) { return left_before(l, 0); });
  ARROW_RETURN_NOT_OK(EmitCarried<kTimed>(first, emit));
  const int64_t last = Gallop(next_, end_, [&](int64_t l) { return left_before(l, size - 1); });

  // A walk along both sides: left row i of the block, and r, the first right row after it. The
  // chunk's last row is after each of these left rows, so r stays inside.
  struct Walk {
    int64_t i, r;
  };
  Walk walk{0, 0};
  while (next_ < last) {
    const int64_t begin = next_, block_size = std::min(kBlockRows, last - begin);
    int64_t* const block = block_.data();
    const auto step = [&](Walk at) __attribute__((always_inline)) {
      block[at.i] = at.r;
      const auto left = static_cast<int64_t>(left_before(begin + at.i, at.r));
      return Walk{at.i + left, at.r + 1 - left};
    };
    const auto gallop = [&](int64_t i, int64_t from) {
      return Gallop(from, size, [&](int64_t k) { return !left_before(begin + i, k); });
    };
    const auto finish = [&](Walk at, int64_t end) {
      while (at.i < end) {
        const int64_t first_step = at.i;
        if (end - at.i >= kSteps) {
          for (int64_t k = 0; k < kSteps; ++k) at = step(at);
          if (at.i > first_step) continue;
        }
        at.r = gallop(at.i, at.r);
        block[at.i++] = at.r;
      }
      return at;
    };
    // A step waits for the one before it, so the block's two halves are walked in turns.
    walk.i = 0;
    const int64_t half = block_size / 2;
    if (half > kSteps) {
      Walk other{half, gallop(half, walk.r)};
      for (bool both = true; both && half - walk.i >= kSteps && block_size - other.i >= kSteps;) {
        const Walk walk_before = walk, other_before = other;
        for (int64_t k = 0; k < kSteps; ++k) {
          walk = step(walk);
          other = step(other);
        }
        both = walk.i > walk_before.i && other.i > other_before.i;
      }
      finish(walk, half);
      walk = finish(other, block_size);
    } else {
      walk = finish(walk, block_size);
    }
    for (int64_t i = 0; i < block_size; ++i) {
      const int64_t l = begin + i, before = block[i] - 1;
      bool seen = codes[before] == left_codes[l];
      if constexpr (kTimed) {
        seen = seen && WithinTtl(times_us[before], left_times[l], ttl_us);
      }
      block[i] = seen ? fed_ + before : -1;
    }
    ARROW_RETURN_NOT_OK(emit({begin, block_size, block}));
    next_ += block_size;
  }
  carried_code_ = codes[size - 1];
  if constexpr (kTimed) carried_time_us_ = times_us[size - 1];
  fed_ += size;
  return Status::OK();
}

Status AsOfMatcher::Finish(const Emit& emit) {
  return timed_ ? EmitCarried<true>(end_, emit) : EmitCarried<false>(end_, emit);
}

}  // namespace tercet
