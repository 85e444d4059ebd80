#include "compute/radix_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <vector>

namespace tercet {
namespace {

constexpr int kDigitBits = 11;
constexpr size_t kDigits = size_t{1} << kDigitBits;
constexpr size_t kFewRows = 512;  // below, comparing is quicker than counting digits
constexpr size_t kAhead = 24;     // rows for which memory is asked in advance
constexpr uint64_t kSignBit = uint64_t{1} << 63;

using Words = std::unique_ptr<uint64_t[]>;

/// Sorts words stably by their bits from `low` (inclusive) to 64, through `other`.
void SortWords(Words* words, Words* other, size_t n, int low) {
  const int passes = (64 - low + kDigitBits - 1) / kDigitBits;
  // One reading of the words counts the digits of all passes.
  std::vector<std::array<uint32_t, kDigits>> counts(static_cast<size_t>(passes));
  for (auto& count : counts) count.fill(0);
  for (size_t i = 0; i < n; ++i) {
    uint64_t rest = (*words)[i] >> low;
    for (auto& count : counts) {
      ++count[rest & (kDigits - 1)];
      rest >>= kDigitBits;
    }
  }
  for (int pass = 0; pass < passes; ++pass) {
    auto& count = counts[static_cast<size_t>(pass)];
    const int shift = low + pass * kDigitBits;
    if (std::find(count.begin(), count.end(), n) != count.end()) {
      continue;  // all rows have this digit in common
    }
    uint32_t begin = 0;
    for (uint32_t& c : count) {
      const uint32_t size = c;
      c = begin;
      begin += size;
    }
    const uint64_t* from = words->get();
    uint64_t* to = other->get();
    for (size_t i = 0; i < n; ++i) {
      const uint64_t word = from[i];
      to[count[(word >> shift) & (kDigits - 1)]++] = word;
    }
    words->swap(*other);
  }
}

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

}  // namespace

OrderedRows RadixOrder(const uint64_t* codes, uint64_t flip, const int64_t* times_us, size_t n) {
  OrderedRows ordered;
  ordered.rows = std::make_unique_for_overwrite<uint32_t[]>(n);
  Words words = std::make_unique_for_overwrite<uint64_t[]>(n);
  Words other = std::make_unique_for_overwrite<uint64_t[]>(n);
  if (n == 0) {
    ordered.codes = std::move(other);
    return ordered;
  }
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
  const auto prefix = [&](size_t i) {
    const uint64_t high = code(i) - code_range.low;
    if (cut_bits >= time_range.bits) return high >> (cut_bits - time_range.bits);
    return high << (time_range.bits - cut_bits) | (time(i) - time_range.low) >> cut_bits;
  };
  const int unused = 64 - place_bits - kept_bits;
  for (size_t i = 0; i < n; ++i) {
    words[i] = (kept_bits == 0 ? 0 : prefix(i) << (place_bits + unused)) | i;
  }
  const int sorted_bits =
      n < kFewRows ? 0
                   : std::min(kept_bits, (place_bits + 7 + kDigitBits) / kDigitBits * kDigitBits);
  const int low = 64 - sorted_bits;
  if (sorted_bits > 0) SortWords(&words, &other, n, low);

  const uint64_t place_mask = (uint64_t{1} << place_bits) - 1;
  if (sorted_bits < total_bits) {
    const auto before = [&](uint64_t a, uint64_t b) {
      const size_t i = a & place_mask, j = b & place_mask;
      if (code(i) != code(j)) return code(i) < code(j);
      return times_us != nullptr && time(i) < time(j);
    };
    const auto same = [&](uint64_t a, uint64_t b) {
      return sorted_bits == 0 || a >> low == b >> low;
    };
    for (size_t begin = 0; begin < n;) {
      size_t end = begin + 1;
      while (end < n && same(words[begin], words[end])) ++end;
      if (end - begin > 1) std::stable_sort(&words[begin], &words[0] + end, before);
      begin = end;
    }
  }

  // What is at each place. The words still have the code where all its bits were kept; the times
  // are far reads, asked for ahead.
  uint64_t* sorted_codes = other.get();
  const bool whole_code = code_range.bits <= kept_bits;
  const int code_shift = 64 - code_range.bits;
  for (size_t i = 0; i < n; ++i) {
    if (i + kAhead < n) {
      const size_t ahead = words[i + kAhead] & place_mask;
      if (times_us != nullptr) __builtin_prefetch(times_us + ahead);
      if (!whole_code) __builtin_prefetch(codes + ahead);
    }
    const uint64_t word = words[i];
    const size_t row = word & place_mask;
    sorted_codes[i] = !whole_code            ? code(row)
                      : code_range.bits == 0 ? code_range.low
                                             : (word >> code_shift) + code_range.low;
    ordered.rows[i] = static_cast<uint32_t>(row);
    // In the word's place, which nobody looks at any more: fresh memory would cost as much again.
    if (times_us != nullptr) words[i] = static_cast<uint64_t>(times_us[row]);
  }
  ordered.codes = std::move(other);
  if (times_us != nullptr) ordered.times = std::move(words);
  return ordered;
}

}  // namespace tercet
