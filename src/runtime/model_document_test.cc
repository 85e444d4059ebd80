#include "runtime/model_document.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using namespace std::string_literals;  // NUL bytes in literals

TEST(ModelJson, ReadsValues) {
  const DocumentValue value =
      ParseModelJson(R"({"a": [1, -2, 3.5e-1, NaN, -Infinity], "b": {"c": "x\u00e9\n\ud83d\ude00"},
                         "d": "12", "e": [], "f": [{"g": true}], "h": null})").ValueOrDie();
  const auto& numbers = **value.NumbersAt("a");
  EXPECT_EQ(numbers[1], -2);
  EXPECT_EQ(numbers[2], 0.35f);
  EXPECT_TRUE(std::isnan(numbers[3]));
  EXPECT_TRUE(std::isinf(numbers[4]));
  EXPECT_EQ(*value.TextAt("b.c"), "xé\n😀");
  EXPECT_EQ(*value.IntAt("d"), 12);
  EXPECT_TRUE((*value.NumbersAt("e"))->empty());
  EXPECT_TRUE((*value.ListAt("e"))->empty());
  EXPECT_EQ(*(**value.ListAt("f"))[0].IntAt("g"), 1);
  EXPECT_THAT(value.IntAt("b.z").status().message(), ::testing::HasSubstr("'b.z'"));
  EXPECT_TRUE(value.IntAt("b.c").status().IsIOError());
  EXPECT_TRUE(value.NumbersAt("f").status().IsIOError());
}

TEST(ModelJson, RoundsDecimalsToFloatsOnce) {
  // Just above the middle of two floats: by way of a double it would be rounded to even, downward.
  const auto value = *ParseModelJson("[1.00000005960464477540, 1e-45, 1e-60, 1e60]");
  EXPECT_EQ((*value.numbers())[0], 1.00000011920928955078125);
  EXPECT_EQ((*value.numbers())[1], std::numeric_limits<float>::denorm_min());
  EXPECT_EQ((*value.numbers())[2], 0);
  EXPECT_TRUE(std::isinf((*value.numbers())[3]));
}

TEST(ModelJson, RefusesMalformedText) {
  for (const std::string& bad : std::vector<std::string>{
           "", "{", "[1,", "[1 2]", "{\"a\" 1}", "{\"a\":}", "{a: 1}", "\"abc", "\"\\u12\"",
           "\"\\ud800\"", "[1, \"a\"]", "tru", "1.2.3", "--1", "{} {}", std::string(100, '[')}) {
    EXPECT_TRUE(ParseModelJson(bad).status().IsIOError()) << bad;
  }
}

TEST(ModelUbjson, ReadsValues) {
  const DocumentValue value = ParseModelUbjson(
      "{i\x01""a[$d#U\x02\x3f\x80\x00\x00\xc0\x00\x00\x00"
      "i\x01""b[i\xffU\xffI\xff\xfel\xff\xff\xff\xfdL\xff\xff\xff\xff\xff\xff\xff\xfc]"
      "i\x01""cSi\x02hi" "i\x01""d[#i\x00" "i\x01""eZ" "i\x01""fT"
      "i\x01""g[{}N{i\x01xD\x3f\xf0\x00\x00\x00\x00\x00\x00}]}"s).ValueOrDie();
  EXPECT_EQ(**value.NumbersAt("a"), (std::vector<double>{1, -2}));
  EXPECT_EQ(**value.NumbersAt("b"), (std::vector<double>{-1, 255, -2, -3, -4}));
  EXPECT_EQ(*value.TextAt("c"), "hi");
  EXPECT_TRUE((*value.ListAt("d"))->empty());
  EXPECT_EQ(*value.IntAt("f"), 1);
  EXPECT_EQ(*(**value.ListAt("g"))[1].IntAt("x"), 1);
}

TEST(ModelUbjson, RefusesMalformedBytes) {
  for (const std::string& bad : std::vector<std::string>{
           "", "{", "x", "[$", "[$d", "[$d#", "[$d#l\x7f\xff\xff\xff", "[$S#i\x01", "[#i\x7f",
           "[#L\x7f\xff\xff\xff\xff\xff\xff\xff", "Si\x05hi", "SC\x01h", "Si\xff", "[i\x01Si\x01x]",
           "{$i#i\x01", "d\x00"s, "{}{}", std::string(100, '[')}) {
    EXPECT_TRUE(ParseModelUbjson(bad).status().IsIOError()) << bad;
  }
}

}  // namespace
}  // namespace tercet
