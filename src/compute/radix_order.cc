#include "compute/radix_order.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>
#include <vector>

#include "base/large_memory.h"

namespace tercet {
namespace {

constexpr int kDigitBits = 11;
constexpr size_t kFewRows = 512;  // below, comparing is quicker than counting digits
constexpr int kBucketBits = 13;  // at most so many rows in a bucket on average: they fit in a cache
constexpr int kSpareBits = 8;    // sorted by, beyond those that number the rows
constexpr size_t kAhead = 24;    // rows for which memory is asked in advance
constexpr uint64_t kSignBit = uint64_t{1} << 63;

using Words = std::unique_ptr<uint64_t[]>;

/// Turns how many there are of each digit into where the first of each goes.
void TurnToBegins(std::vector<uint32_t>* counts) {
  uint32_t begin = 0;
  for (uint32_t& count : *counts) begin += std::exchange(count, begin);
}

/// Sorts words stably by their bits from `low` (inclusive) to `high`, a digit a pass, the lowest
/// first. May begin with some of the bits below `low`.
class WordSort {
 public:
  /// Of at most `most` words at once.
  WordSort(int low, int high, size_t most)
      : high_(high),
        passes_((high - low + kDigitBits - 1) / kDigitBits),
        digit_bits_(passes_ == 0 ? 0 : (high - low + passes_ - 1) / passes_),
        counts_(size_t{1} << digit_bits_),
        scratch_(std::make_unique_for_overwrite<uint64_t[]>(passes_ == 0 ? 0 : most)) {}

  void Sort(uint64_t* words, size_t n) {
    if (n < 2) return;
    const uint64_t mask = counts_.size() - 1;
    uint64_t* from = words;
    uint64_t* to = scratch_.get();
    uint32_t* const counts = counts_.data();
    for (int shift = high_ - passes_ * digit_bits_; shift < high_; shift += digit_bits_) {
      std::fill(counts_.begin(), counts_.end(), 0);
      for (size_t i = 0; i < n; ++i) ++counts[from[i] >> shift & mask];
      TurnToBegins(&counts_);
      for (size_t i = 0; i < n; ++i) to[counts[from[i] >> shift & mask]++] = from[i];
      std::swap(from, to);
    }
    if (from != words) std::copy(from, from + n, words);
  }

 private:
  const int high_, passes_, digit_bits_;
  std::vector<uint32_t> counts_;
  const Words scratch_;
};

struct Range {
  uint64_t low = 0;
  int bits = 0;  ///< width of the values less `low`
};

template <typename Of>
Range RangeOf(size_t n, Of&& of) {
  uint64_t low = of(0), high = low;
  for (size_t i = 1; i < n; ++i) {
    low = std::min(low, of(i));
    high = std::max(high, of(i));
  }
  return {low, static_cast<int>(std::bit_width(high - low))};
}

/// Memory for `n` values that will be written soon, from front to back or all over.
template <typename T>
std::unique_ptr<T[]> ForOverwrite(size_t n) {
  auto values = std::make_unique_for_overwrite<T[]>(n);
  if (n * sizeof(T) >= static_cast<size_t>(kLargeBytes)) {
    PopulatePages(values.get(), static_cast<int64_t>(n * sizeof(T)));
  }
  return values;
}

}  // namespace

OrderedRows RadixOrder(const uint64_t* codes, uint64_t flip, const int64_t* times_us, size_t n) {
  OrderedRows ordered;
  ordered.rows = ForOverwrite<uint32_t>(n);
  ordered.codes = ForOverwrite<uint64_t>(n);
  if (n == 0) return ordered;
  Words words = ForOverwrite<uint64_t>(n);
  const auto code = [&](size_t i) { return codes[i] ^ flip; };
  const auto time = [&](size_t i) { return static_cast<uint64_t>(times_us[i]) ^ kSignBit; };
  const Range code_range = RangeOf(n, code);
  const Range time_range = times_us == nullptr ? Range{} : RangeOf(n, time);

  // One word a row: the highest bits of (code, time), then the row's place. Sorting by somewhat
  // more bits than tell n rows apart leaves few neighbours in a wrong order; these are compared.
  const int place_bits = std::max(1, static_cast<int>(std::bit_width(n - 1)));
  const int total_bits = code_range.bits + time_range.bits;
  const int kept_bits = std::min(64 - place_bits, total_bits);  // of (code, time), in the word
  const int cut_bits = total_bits - kept_bits;
  const auto word_of = [&](size_t i) -> uint64_t {
    if (kept_bits == 0) return i;
    uint64_t prefix = code(i) - code_range.low;
    if (cut_bits >= time_range.bits) {
      prefix >>= cut_bits - time_range.bits;
    } else {
      prefix = prefix << (time_range.bits - cut_bits) | (time(i) - time_range.low) >> cut_bits;
    }
    return prefix << (64 - kept_bits) | i;
  };
  const int sorted_bits = n < kFewRows ? 0 : std::min(kept_bits, place_bits + kSpareBits);
  const int low = 64 - sorted_bits;

  // The highest bits part the words into buckets that fit in a cache and are sorted there.
  const int bucket_bits =
      std::clamp(place_bits - kBucketBits, 0, std::min(sorted_bits, kDigitBits));
  const auto bucket_of = [&](uint64_t word) {
    return bucket_bits == 0 ? 0 : word >> (64 - bucket_bits);
  };
  std::vector<uint32_t> ends(size_t{1} << bucket_bits, 0);
  for (size_t i = 0; i < n; ++i) ++ends[bucket_of(word_of(i))];
  const size_t most = *std::max_element(ends.begin(), ends.end());
  TurnToBegins(&ends);
  for (size_t i = 0; i < n; ++i) {
    const uint64_t word = word_of(i);
    words[ends[bucket_of(word)]++] = word;  // so that each begin becomes an end
  }

  const uint64_t place_mask = (uint64_t{1} << place_bits) - 1;
  const auto before = [&](uint64_t a, uint64_t b) {
    const size_t i = a & place_mask, j = b & place_mask;
    if (code(i) != code(j)) return code(i) < code(j);
    return times_us != nullptr && time(i) < time(j);
  };
  const auto same = [&](uint64_t a, uint64_t b) {
    return sorted_bits == 0 || a >> low == b >> low;
  };
  const bool whole_code = code_range.bits <= kept_bits;
  const int code_shift = 64 - code_range.bits;
  WordSort sort(low, 64 - bucket_bits, most);
  size_t begin = 0;
  for (const size_t end : ends) {
    sort.Sort(&words[begin], end - begin);
    for (size_t first = begin; sorted_bits < total_bits && first < end;) {
      size_t last = first + 1;
      while (last < end && same(words[first], words[last])) ++last;
      if (last - first > 1) std::stable_sort(&words[first], &words[0] + last, before);
      first = last;
    }
    // What is at each place. The words still have the code where all its bits were kept; the times
    // are far reads, asked for ahead.
    for (size_t i = begin; i < end; ++i) {
      if (i + kAhead < end) {
        const size_t ahead = words[i + kAhead] & place_mask;
        if (times_us != nullptr) __builtin_prefetch(times_us + ahead);
        if (!whole_code) __builtin_prefetch(codes + ahead);
      }
      const uint64_t word = words[i];
      const size_t row = word & place_mask;
      ordered.codes[i] = !whole_code            ? code(row)
                         : code_range.bits == 0 ? code_range.low
                                                : (word >> code_shift) + code_range.low;
      ordered.rows[i] = static_cast<uint32_t>(row);
      // In the word's place, which nobody looks at any more: fresh memory would cost as much again.
      if (times_us != nullptr) words[i] = static_cast<uint64_t>(times_us[row]);
    }
    begin = end;
  }
  if (times_us != nullptr) ordered.times = std::move(words);
  return ordered;
}

}  // namespace tercet
