#include "compute/radix_order.h"

#include <algorithm>
#include <array>
#include <bit>

namespace tercet {
namespace {

constexpr int kDigitBits = 11;
constexpr size_t kDigits = size_t{1} << kDigitBits;
constexpr uint64_t kSignBit = uint64_t{1} << 63;

struct Item {
  uint64_t word;
  uint32_t row;
};

/// Sorts by the lowest `bits` bits of the word.
void SortItems(std::vector<Item>* items, int bits) {
  const int passes = (bits + kDigitBits - 1) / kDigitBits;
  if (passes == 0) return;
  // One reading of the words counts the digits of all passes.
  std::vector<std::array<uint32_t, kDigits>> counts(static_cast<size_t>(passes));
  for (auto& count : counts) count.fill(0);
  for (const Item& item : *items) {
    uint64_t word = item.word;
    for (auto& count : counts) {
      ++count[word & (kDigits - 1)];
      word >>= kDigitBits;
    }
  }
  std::vector<Item> other(items->size());
  Item* from = items->data();
  Item* to = other.data();
  for (int pass = 0; pass < passes; ++pass) {
    auto& count = counts[static_cast<size_t>(pass)];
    const int shift = pass * kDigitBits;
    if (std::any_of(count.begin(), count.end(), [&](uint32_t c) { return c == items->size(); })) {
      continue;  // all rows have this digit in common
    }
    uint32_t begin = 0;
    for (uint32_t& c : count) {
      const uint32_t size = c;
      c = begin;
      begin += size;
    }
    for (size_t i = 0; i < items->size(); ++i) {
      to[count[(from[i].word >> shift) & (kDigits - 1)]++] = from[i];
    }
    std::swap(from, to);
  }
  if (from != items->data()) items->swap(other);
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

void RadixOrder(std::vector<uint64_t>* codes, std::vector<int64_t>* times_us,
                std::vector<uint32_t>* rows) {
  const size_t n = rows->size();
  if (n < 2) return;
  const auto code = [&](size_t i) { return (*codes)[i]; };
  const auto time = [&](size_t i) { return static_cast<uint64_t>((*times_us)[i]) ^ kSignBit; };
  const Range codes_range = RangeOf(n, code);
  const Range times_range = times_us == nullptr ? Range{} : RangeOf(n, time);

  std::vector<Item> items(n);
  if (codes_range.bits + times_range.bits <= 64 && times_range.bits < 64) {
    // Both fit in one word, from which they are read back: no random access after the sort.
    const int shift = times_range.bits;
    for (size_t i = 0; i < n; ++i) {
      const uint64_t low = times_us == nullptr ? 0 : time(i) - times_range.low;
      items[i] = {shift == 0 ? (code(i) - codes_range.low) | low
                             : (code(i) - codes_range.low) << shift | low,
                  (*rows)[i]};
    }
    SortItems(&items, codes_range.bits + shift);
    const uint64_t mask = (uint64_t{1} << shift) - 1;
    for (size_t i = 0; i < n; ++i) {
      (*codes)[i] = codes_range.low + (items[i].word >> shift);
      if (times_us != nullptr) {
        (*times_us)[i] =
            static_cast<int64_t>((times_range.low + (items[i].word & mask)) ^ kSignBit);
      }
      (*rows)[i] = items[i].row;
    }
    return;
  }
  // First by time, then stably by code. The item's row is for now its place.
  for (size_t i = 0; i < n; ++i) {
    items[i] = {times_us == nullptr ? 0 : time(i) - times_range.low, static_cast<uint32_t>(i)};
  }
  SortItems(&items, times_range.bits);
  for (Item& item : items) item.word = code(item.row) - codes_range.low;
  SortItems(&items, codes_range.bits);
  const auto reorder = [&](auto* values) {
    auto old = *values;
    for (size_t i = 0; i < n; ++i) (*values)[i] = old[items[i].row];
  };
  reorder(codes);
  if (times_us != nullptr) reorder(times_us);
  reorder(rows);
}

}  // namespace tercet
