#include "view/page_lanes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <arrow/util/logging.h>

#include "base/avx512.h"

namespace tercet {

#if defined(__x86_64__)
namespace {

constexpr int64_t kRun = 256;       // rows that are taken from one dense piece
constexpr int64_t kMostWords = 16;  // of the piece
constexpr int64_t kLanes = 8;
constexpr size_t kWordsAhead = 16;

/// Some words of a column with a place for each row, zero where it is null.
struct Dense {
  int64_t first_row = 0, rows = 0;
  alignas(64) uint64_t values[(kMostWords + 1) * 64];  // more, since pairs of lanes are read
  uint64_t valid[kMostWords + 1] = {};
};

TERCET_AVX512 void Spread(const PlainColumn& source, int64_t first_word, int64_t words,
                          Dense* dense) {
  dense->first_row = first_word * 64;
  dense->rows = words * 64;
  const auto& all = source.words();
  for (int64_t w = 0; w < words; ++w) {
    const size_t index = static_cast<size_t>(first_word + w);
    const PlainColumn::Word& word = all[index];
    if (index + kWordsAhead < all.size()) {
      const uint8_t* ahead = all[index + kWordsAhead].values;
      for (int64_t line = 0; line < 64 * 8; line += 64) __builtin_prefetch(ahead + line);
    }
    dense->valid[w] = word.valid;
    const uint8_t* from = word.values;
    uint64_t* to = dense->values + w * 64;
    for (int64_t lane = 0; lane < 64; lane += kLanes) {
      const auto mask = static_cast<__mmask8>(word.valid >> lane);
      _mm512_store_si512(to + lane, _mm512_maskz_expandloadu_epi64(mask, from));
      from += 8 * std::popcount(static_cast<unsigned>(mask));
    }
  }
}

/// Up to eight rows. Most of the time they lie within sixteen, so that two loads have them all.
TERCET_AVX512 inline uint8_t TakeLanes(const Dense& dense, const int32_t* from, __mmask8 asked,
                                       uint8_t* values) {
  const __m512i rows = _mm512_sub_epi64(
      _mm512_cvtepi32_epi64(_mm512_castsi512_si256(_mm512_maskz_loadu_epi32(asked, from))),
      _mm512_set1_epi64(dense.first_row));
  const __mmask8 there = _mm512_mask_cmpge_epi64_mask(asked, rows, _mm512_setzero_si512());
  if (there == 0) {
    _mm512_mask_storeu_epi64(values, asked, _mm512_setzero_si512());
    return 0;
  }
  const int64_t first = from[std::countr_zero(there)] - dense.first_row;
  const int64_t last = from[7 - std::countl_zero(there)] - dense.first_row;
  __m512i taken;
  __mmask8 valid;
  if (last - first < 2 * kLanes) {
    const __m512i place = _mm512_sub_epi64(rows, _mm512_set1_epi64(first));
    taken = _mm512_maskz_permutex2var_epi64(there, _mm512_loadu_si512(dense.values + first), place,
                                            _mm512_loadu_si512(dense.values + first + kLanes));
    uint32_t bits;
    std::memcpy(&bits, reinterpret_cast<const uint8_t*>(dense.valid) + first / 8, sizeof(bits));
    valid = _mm512_mask_test_epi64_mask(there, _mm512_set1_epi64(bits >> (first % 8)),
                                        _mm512_sllv_epi64(_mm512_set1_epi64(1), place));
  } else {
    taken = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), there, rows, dense.values, 8);
    const __m512i words = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), there,
                                                      _mm512_srli_epi64(rows, 6), dense.valid, 8);
    const __m512i bit = _mm512_and_si512(rows, _mm512_set1_epi64(63));
    valid = _mm512_mask_test_epi64_mask(there, words, _mm512_sllv_epi64(_mm512_set1_epi64(1), bit));
  }
  _mm512_mask_storeu_epi64(values, asked, taken);
  return valid;
}

/// Rows too far from each other for a dense piece.
void TakeFar(const PlainColumn& source, const int32_t* from, int64_t count, uint8_t* values,
             uint8_t* bits) {
  for (int64_t i = 0; i < count; ++i) {
    uint64_t value = 0;
    if (i % 8 == 0) bits[i / 8] = 0;
    if (from[i] >= 0) {
      const PlainColumn::Word& word = source.words()[static_cast<size_t>(from[i]) / 64];
      const uint64_t bit = uint64_t{1} << (from[i] % 64);
      if ((word.valid & bit) != 0) {
        std::memcpy(&value, word.values + 8 * std::popcount(word.valid & (bit - 1)), 8);
        bits[i / 8] |= static_cast<uint8_t>(1 << (i % 8));
      }
    }
    std::memcpy(values + 8 * i, &value, 8);
  }
}

}  // namespace

TERCET_AVX512 void TakeFromPages(const PlainColumn& source, const int32_t* from, int64_t count,
                                 uint8_t* values, uint8_t* bits) {
  Dense dense;
  for (int64_t begin = 0; begin < count; begin += kRun) {
    const int64_t end = std::min(begin + kRun, count);
    int64_t first = begin, last = end - 1;
    while (first < end && from[first] < 0) ++first;
    while (last > first && from[last] < 0) --last;
    if (first < end) {
      const int64_t first_word = from[first] / 64, words = from[last] / 64 - first_word + 1;
      if (words > kMostWords) {
        TakeFar(source, from + begin, end - begin, values + 8 * begin, bits + begin / 8);
        continue;
      }
      Spread(source, first_word, words, &dense);
    }
    for (int64_t i = begin; i < end; i += kLanes) {
      const auto asked = static_cast<__mmask8>(end - i < kLanes ? (1 << (end - i)) - 1 : 0xFF);
      bits[i / 8] = TakeLanes(dense, from + i, asked, values + 8 * i);
    }
  }
}

#else

void TakeFromPages(const PlainColumn&, const int32_t*, int64_t, uint8_t*, uint8_t*) {
  ARROW_LOG(FATAL) << "AVX-512 on a processor without it";
}

#endif

}  // namespace tercet
