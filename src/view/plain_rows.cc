#include "view/plain_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tercet {
namespace {

constexpr int64_t kBlock = 64;  // rows whose reads are under way at once
constexpr uint8_t kNoValue[8] = {};

/// Where the values of up to 64 rows are, and which are there.
struct Places {
  const uint8_t* values[kBlock];
  uint64_t valid = 0;
};

template <typename Word>
__attribute__((always_inline)) inline void Find(const PlainColumn::Word* words, uint32_t none,
                                                const uint32_t* numbers, int64_t count,
                                                Places* places) {
  uint64_t all = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t number = std::min(numbers[i], none);
    const PlainColumn::Word& word = words[number / 64];
    const uint64_t bit = uint64_t{1} << (number % 64);
    const uint64_t valid = word.valid >> (number % 64) & 1;
    // The rank of a null is that of the next value, which may not exist: then the first.
    const int64_t rank = std::popcount(word.valid & (bit - 1)) & -static_cast<int64_t>(valid);
    places->values[i] = word.values + rank * static_cast<int64_t>(sizeof(Word));
    __builtin_prefetch(places->values[i]);
    all |= valid << i;
  }
  places->valid = all;
}

__attribute__((always_inline)) inline void AskForWords(const PlainColumn::Word* words,
                                                       uint32_t none, const uint32_t* numbers,
                                                       int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    __builtin_prefetch(words + std::min(numbers[i], none) / 64);
  }
}

template <typename Word>
__attribute__((always_inline)) inline void Take(const Places& places, int64_t count, uint8_t* to) {
  for (int64_t i = 0; i < count; ++i) {
    Word value;
    std::memcpy(&value, places.values[i], sizeof(Word));
    value &= static_cast<Word>(-static_cast<Word>(places.valid >> i & 1));
    std::memcpy(to + i * static_cast<int64_t>(sizeof(Word)), &value, sizeof(Word));
  }
}

template <typename Word>
__attribute__((always_inline)) inline int64_t GatherAll(const PlainColumn::Word* words,
                                                        uint32_t none, const uint32_t* numbers,
                                                        int64_t count, uint8_t* values,
                                                        uint8_t* bitmap) {
  Places places[2];
  int64_t present = 0;
  if (count > 0) Find<Word>(words, none, numbers, std::min(kBlock, count), &places[0]);
  for (int64_t begin = 0, k = 0; begin < count; begin += kBlock, k ^= 1) {
    const int64_t next = begin + kBlock, after = next + kBlock;
    if (after < count) AskForWords(words, none, numbers + after, std::min(kBlock, count - after));
    if (next < count) {
      Find<Word>(words, none, numbers + next, std::min(kBlock, count - next), &places[k ^ 1]);
    }
    const int64_t size = std::min(kBlock, count - begin);
    Take<Word>(places[k], size, values + begin * static_cast<int64_t>(sizeof(Word)));
    std::memcpy(bitmap + begin / 8, &places[k].valid, static_cast<size_t>((size + 7) / 8));
    present += std::popcount(places[k].valid);
  }
  return present;
}

template <typename Word>
int64_t GatherPortable(const PlainColumn::Word* words, uint32_t none, const uint32_t* numbers,
                       int64_t count, uint8_t* values, uint8_t* bitmap) {
  return GatherAll<Word>(words, none, numbers, count, values, bitmap);
}

#if defined(__x86_64__)
template <typename Word>
__attribute__((target("popcnt"))) int64_t GatherPopcnt(const PlainColumn::Word* words,
                                                       uint32_t none, const uint32_t* numbers,
                                                       int64_t count, uint8_t* values,
                                                       uint8_t* bitmap) {
  return GatherAll<Word>(words, none, numbers, count, values, bitmap);
}
#endif

template <typename Word>
auto ChooseGather() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("popcnt")) return &GatherPopcnt<Word>;
#endif
  return &GatherPortable<Word>;
}

}  // namespace

PlainRows::PlainRows(int width, int64_t rows)
    : width_(width),
      words_(static_cast<size_t>((rows + 63) / 64) + 1, PlainColumn::Word{0, kNoValue}) {}

void PlainRows::Put(int64_t first, std::shared_ptr<const PlainColumn> column) {
  std::copy(column->words().begin(), column->words().end(), words_.begin() + first / 64);
  owners_.push_back(std::move(column));
}

int64_t PlainRows::Gather(const uint32_t* numbers, int64_t count, uint8_t* values,
                          uint8_t* bitmap) const {
  static const auto gather8 = ChooseGather<uint64_t>();
  static const auto gather4 = ChooseGather<uint32_t>();
  const auto none = static_cast<uint32_t>((words_.size() - 1) * 64);
  const auto gather = width_ == 8 ? gather8 : gather4;
  return gather(words_.data(), none, numbers, count, values, bitmap);
}

}  // namespace tercet
