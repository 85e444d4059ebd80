#include "compute/radix_order.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tercet {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

/// Sorts n random rows both ways; `code` and `time` make them.
template <typename Code, typename Time>
void ExpectSorted(size_t n, bool timed, Code&& code, Time&& time) {
  std::vector<uint64_t> codes(n);
  std::vector<int64_t> times(n);
  for (size_t i = 0; i < n; ++i) {
    codes[i] = code();
    times[i] = time();
  }
  std::vector<uint32_t> expected(n);
  std::iota(expected.begin(), expected.end(), 0);
  std::stable_sort(expected.begin(), expected.end(), [&](uint32_t a, uint32_t b) {
    return codes[a] != codes[b] ? codes[a] < codes[b] : timed && times[a] < times[b];
  });
  std::vector<uint64_t> flipped = codes;
  const uint64_t flip = n % 2 == 0 ? 0 : uint64_t{1} << 63;
  for (uint64_t& code : flipped) code ^= flip;
  const OrderedRows ordered = RadixOrder(flipped.data(), flip, timed ? times.data() : nullptr, n);
  ASSERT_EQ(ordered.times_us() != nullptr, timed && n > 0);
  for (size_t i = 0; i < n; ++i) {
    ASSERT_EQ(ordered.rows[i], expected[i]) << "place " << i << " of " << n;
    ASSERT_EQ(ordered.codes[i], codes[expected[i]]);
    if (timed) {
      ASSERT_EQ(ordered.times_us()[i], times[expected[i]]);
    }
  }
}

TEST(RadixOrder, EqualsAStableSort) {
  std::mt19937_64 random(11);
  for (const size_t n : {0, 1, 2, 100, 511, 512, 513, 3000, 20'000}) {
    for (const bool timed : {false, true}) {
      const auto any = [&] { return random(); };
      const auto any_time = [&] { return static_cast<int64_t>(random()); };
      const auto few = [&] { return 40 + random() % 7; };
      const auto same = [&] { return uint64_t{3}; };
      const auto extreme = [&] { return random() % 2 == 0 ? kMin : kMax; };
      const auto narrow = [&] { return static_cast<int64_t>(random() % 1000) - 500; };
      const auto crowded = [&] {  // all but one in a small part of the range
        return random() % 1000 == 0 ? kMin : static_cast<int64_t>(random() % 100);
      };
      ExpectSorted(n, timed, any, any_time);
      ExpectSorted(n, timed, few, any_time);
      ExpectSorted(n, timed, few, narrow);
      ExpectSorted(n, timed, same, narrow);
      ExpectSorted(n, timed, same, extreme);
      ExpectSorted(n, timed, any, extreme);
      ExpectSorted(n, timed, few, crowded);
      ExpectSorted(n, timed, same, [] { return int64_t{5}; });
    }
  }
}

TEST(RadixOrder, SortsManyBuckets) {
  std::mt19937_64 random(12);
  const auto time = [&] { return static_cast<int64_t>(random() % 1'000'000'007); };
  for (const bool timed : {false, true}) {
    ExpectSorted(200'000, timed, [&] { return random() % 5000; }, time);
    ExpectSorted(200'001, timed, [&] { return random() % 10 == 0 ? random() : 8; }, time);
  }
}

}  // namespace
}  // namespace tercet
