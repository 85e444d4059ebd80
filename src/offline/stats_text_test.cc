#include "offline/stats_text.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(StatsText, FindsOneColumnsTimes) {
  const std::string_view stats =
      R"({"numRecords": 3, "minValues": {"a}\"": "x{\\", "s": {"at": 1}, "at": )"
      R"("1970-01-01T00:00:01.5Z"}, "maxValues":{"at":"1970-01-01T00:00:02.000Z"},"nullCount":{}})";
  const auto bounds = TimeBoundsOf(stats, "at");
  ASSERT_TRUE(bounds.has_value());
  EXPECT_EQ(bounds->min_us, 1'500'000);
  EXPECT_EQ(bounds->max_us, 2'001'000);
  EXPECT_EQ(FindJsonMember(stats, "numRecords"), "3");
  EXPECT_EQ(FindJsonMember(stats, "nullCount"), "{}");
}

TEST(StatsText, SaysNothingOfWhatItDoesNotUnderstand) {
  EXPECT_FALSE(TimeBoundsOf("", "at"));
  EXPECT_FALSE(TimeBoundsOf("[]", "at"));
  EXPECT_FALSE(TimeBoundsOf(R"({"minValues":{"at":1},"maxValues":{"at":2}})", "at"));
  EXPECT_FALSE(TimeBoundsOf(R"({"minValues":{"at":"1970-01-01T00:00:01Z"}})", "at"));
  const std::string_view whole =
      R"({"minValues":{"at":"1970-01-01T00:00:01Z"},"maxValues":{"at":"1970-01-01T00:00:02Z"}})";
  ASSERT_TRUE(TimeBoundsOf(whole, "at"));
  EXPECT_FALSE(TimeBoundsOf(whole, "t"));
  // Cut off anywhere, it is no error and never a wrong bound; the last brace alone is not missed.
  for (size_t size = 0; size + 1 < whole.size(); ++size) {
    EXPECT_FALSE(TimeBoundsOf(whole.substr(0, size), "at")) << size;
  }
}

}  // namespace
}  // namespace tercet
