#include "view/page_lanes.h"

#include <algorithm>
#include <random>

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include "base/avx512.h"

namespace tercet {
namespace {

// A value after the other from the array is the oracle: rows near each other, rows far from each
// other, none at all, one for many, and counts that end within eight.
TEST(PageLanes, TakeWhatTheArrayHas) {
  if (!HasAvx512()) return;  // nobody calls it there
  std::mt19937_64 random(3);
  for (const uint64_t nulls_of_100 : {0, 5, 60, 100}) {
    constexpr int64_t kRows = 64 * 300 - 11;
    arrow::Int64Builder builder;
    for (int64_t i = 0; i < kRows; ++i) {
      const Status appended = random() % 100 < nulls_of_100
                                  ? builder.AppendNull()
                                  : builder.Append(static_cast<int64_t>(random()));
      ASSERT_TRUE(appended.ok());
    }
    const auto array = std::static_pointer_cast<arrow::Int64Array>(*builder.Finish());
    const auto column = PlainColumn::Of(*array, 8);
    for (const uint64_t step : {1, 2, 3, 5, 40, 900}) {
      std::vector<int32_t> from;
      for (int64_t row = static_cast<int64_t>(random() % 50); from.size() < 1003;) {
        from.push_back(random() % 20 == 0 ? -1 : static_cast<int32_t>(row));
        row = std::min(row + static_cast<int64_t>(random() % step), kRows - 1);
      }
      if (step == 3) std::fill(from.begin(), from.begin() + 300, -1);
      const auto count = static_cast<int64_t>(from.size());
      std::vector<int64_t> values(from.size() + 1, 7), expected(from.size() + 1, 7);
      std::vector<uint8_t> bits((from.size() + 7) / 8, 0xEE), expected_bits(bits.size(), 0);
      for (size_t i = 0; i < from.size(); ++i) {
        const bool there = from[i] >= 0 && array->IsValid(from[i]);
        expected[i] = there ? array->Value(from[i]) : 0;
        if (there) expected_bits[i / 8] |= static_cast<uint8_t>(1 << (i % 8));
      }
      TakeFromPages(*column, from.data(), count, reinterpret_cast<uint8_t*>(values.data()),
                    bits.data());
      EXPECT_EQ(values, expected) << nulls_of_100 << " % null, step " << step;
      EXPECT_EQ(bits, expected_bits) << nulls_of_100 << " % null, step " << step;
    }
  }
}

}  // namespace
}  // namespace tercet
