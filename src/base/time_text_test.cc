#include "base/time_text.h"

#include <random>

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(TimeText, FormatsAndParsesBack) {
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTime(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(*ParseTime("2013-01-01T05:00:00Z"), 1357016400000000);
  EXPECT_EQ(*ParseTime("2013-01-01"), 1356998400000000);
  EXPECT_EQ(*ParseTime("2013-01-01 05:00"), *ParseTime("2013-01-01T05:00:00Z"));
  EXPECT_EQ(*ParseTime("2013-01-01T05:00:00+02:00"), *ParseTime("2013-01-01T03:00:00Z"));
  EXPECT_EQ(*ParseTime("2013-01-01T05:00:00.5-0130"), *ParseTime("2013-01-01T06:30:00.500000Z"));
  std::mt19937_64 random(7);
  for (int i = 0; i < 10000; ++i) {
    const int64_t time = static_cast<int64_t>(random() % 4102444800000000ull) - 2000000000000000;
    EXPECT_EQ(*ParseTime(FormatTime(time)), time);
  }
}

TEST(TimeText, RefusesWhatIsNoTime) {
  for (const char* text : {"", "2013", "2013-13-01", "2013-02-30", "2013-01-01T25:00", "now",
                           "2013-01-01T05:00:00Zjunk", "2013-01-01T05:00:00.Z", "2013-01-01Z5"}) {
    EXPECT_TRUE(ParseTime(text).status().IsInvalid()) << text;
  }
  EXPECT_NE(ParseTime("soon").status().message().find("'soon'"), std::string::npos);
}

TEST(TimeText, Durations) {
  EXPECT_EQ(*ParseDuration("3h"), 10800000000);
  EXPECT_EQ(*ParseDuration("1d12h"), 129600000000);
  EXPECT_EQ(*ParseDuration("5min"), 300000000);
  EXPECT_EQ(*ParseDuration("250ms"), 250000);
  EXPECT_EQ(FormatDuration(10800000000), "3h");
  EXPECT_EQ(FormatDuration(129600000000), "1d12h");
  for (const char* text : {"", "h", "3", "-3h", "3 h", "3x", "99999999999999w"}) {
    EXPECT_TRUE(ParseDuration(text).status().IsInvalid()) << text;
  }
}

}  // namespace
}  // namespace tercet
