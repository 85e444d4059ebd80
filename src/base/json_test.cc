#include "base/json.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <iterator>
#include <random>

#include <gtest/gtest.h>

#include "base/json_memory.h"
#include "base/rows_to_json.h"

namespace tercet {
namespace {

TEST(Json, ErrorsNameTheByte) {
  const Status status = ParseJson(R"({"a": 1,})").status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_NE(status.message().find("byte"), std::string::npos) << status;
  EXPECT_TRUE(ParseJson("").status().IsInvalid());
  EXPECT_TRUE(ParseJson("{} {}").status().IsInvalid());
  EXPECT_TRUE(ParseJson("\"\xff\"").status().IsInvalid());
}

TEST(Json, DoublesRoundTripExactly) {
  std::mt19937_64 random(1);
  for (int k = 0; k < 100'000; ++k) {
    const double number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    const std::string text = ToText(json::array{number});
    EXPECT_EQ(std::bit_cast<uint64_t>(ParseJson(text)->at(0).as_double()),
              std::bit_cast<uint64_t>(number))
        << text;
  }
  EXPECT_EQ(ParseJson("999999.1545029671")->as_double(), 999999.1545029671);
  EXPECT_EQ(ParseJson(" 1e0 ")->as_double(), 1.0);
  EXPECT_TRUE(std::signbit(ParseJson("-0.0")->as_double()));
}

TEST(Json, NumbersBeyondDoublesAreRefusedOrZero) {
  for (const char* text : {"6e626", "-6e626", "1e309", "1e99999", "18446744073709551616e300"}) {
    EXPECT_TRUE(ParseJson(text).status().IsInvalid()) << text;
    EXPECT_TRUE(ParseJson("{\"a\": [" + std::string(text) + "]}").status().IsInvalid()) << text;
  }
  EXPECT_EQ(ParseJson("6e-626")->as_double(), 0.0);
  EXPECT_TRUE(std::signbit(ParseJson("-6e-626")->as_double()));
}

TEST(Json, NumbersThatAreNotFiniteAreWrittenAsText) {
  const json::value value = {{"loss", std::nan("")}, {"deep", {HUGE_VAL, {{"low", -HUGE_VAL}}}}};
  EXPECT_EQ(ToText(value), R"({"loss":"NaN","deep":["Infinity",{"low":"-Infinity"}]})");
  EXPECT_EQ(ToText(std::nan("")), R"("NaN")");
  const json::object read = *ParseJsonObject(ToText(value));
  EXPECT_TRUE(std::isnan(**FindDouble(read, "loss")));
  EXPECT_TRUE(FindDouble(read, "deep").status().IsInvalid());
}

TEST(Json, WhatIsWrittenIsUtf8) {
  const json::object cut = {{"quoted \xE2\x82", "caf\xC3"}, {"whole", "é"}};
  EXPECT_EQ(ToText(cut), "{\"quoted \uFFFD\uFFFD\":\"caf\uFFFD\",\"whole\":\"é\"}");
  EXPECT_TRUE(ParseJson(ToText(cut)).ok());
}

TEST(Json, DeepAndLargeTextsAreRefused) {
  EXPECT_TRUE(ParseJson(std::string(100000, '[')).status().IsInvalid());
  EXPECT_TRUE(ParseJson(std::string(33, '[') + std::string(33, ']')).status().IsInvalid());
  EXPECT_TRUE(ParseJson(std::string(30, '[') + std::string(30, ']')).ok());
  EXPECT_TRUE(ParseJson("[1, 2, 3]", {.max_bytes = 5}).status().IsCapacityError());
}

TEST(Json, MembersAreChecked) {
  const json::object object = *ParseJsonObject(R"({"s": "x", "n": 3, "f": 1.5, "b": true,
                                                   "l": ["a"], "z": null})");
  EXPECT_EQ(*GetString(object, "s"), "x");
  EXPECT_EQ(*GetInt(object, "n"), 3);
  EXPECT_EQ(**FindDouble(object, "n"), 3.0);
  EXPECT_EQ(**FindDouble(object, "f"), 1.5);
  EXPECT_FALSE(*FindInt(object, "z"));
  EXPECT_FALSE(*FindInt(object, "absent"));
  EXPECT_EQ(FindStrings(object, "l")->size(), 1u);
  EXPECT_TRUE(GetInt(object, "f").status().IsInvalid());
  EXPECT_TRUE(GetInt(object, "b").status().IsInvalid());
  EXPECT_TRUE(GetString(object, "absent").status().IsInvalid());
  EXPECT_TRUE(FindStrings(object, "s").status().IsInvalid());
  EXPECT_TRUE(ParseJsonObject("[1]").status().IsInvalid());
}

TEST(Json, CanonicalTextIgnoresTheOrderOfKeys) {
  EXPECT_EQ(ToCanonicalText(*ParseJson(R"({"b": {"y": 1, "x": 2}, "a": [1]})")),
            ToCanonicalText(*ParseJson(R"({"a": [1], "b": {"x": 2, "y": 1}})")));
}

TEST(Json, DoublesRoundTrip) {
  for (const double number : {0.1, 1e-320, 1.7976931348623157e308, -0.0, 2.0 / 3}) {
    EXPECT_EQ(ParseJson(ToText(json::value(number)))->as_double(), number);
  }
}

TEST(Json, NumbersAreTheShortestText) {
  const auto check = [](double number) {
    char shortest[32];
    const std::string expected(shortest, std::to_chars(shortest, std::end(shortest), number).ptr);
    std::string text;
    AppendJsonNumber(number, &text);
    ASSERT_EQ(text, expected);
  };
  for (const double number : {0.0, -0.0, 1e5, 3e5, 123e5, 99'999.0, 1e12, 1e11, 999'999'999'999.999,
                              0.001, 0.0005, 5e-324, 2.0 / 3, 0.1 + 0.2, 1.005, 4.35, 1e22}) {
    check(number);
    check(-number);
    check(std::nextafter(number, 1e300));
    check(std::nextafter(number, -1e300));
  }
  std::mt19937_64 random(1);
  for (int k = 0; k < 200'000; ++k) {
    const auto digits = static_cast<double>(random() >> (random() % 64));
    for (const double power : {1.0, 10.0, 100.0, 1000.0, 1e4}) check(digits / power);
  }
}

TEST(Json, TextsReadBackWhereverTheyAreEscaped) {
  const std::string clean = "0123456789 abcdefghijklmnop \x7f";
  for (size_t at = 0; at <= clean.size(); ++at) {
    for (const char c : {'"', '\\', '\0', '\x01', '\n', '\x1f', ' ', '!', '#', '[', ']', '\x7f'}) {
      const std::string text = clean.substr(0, at) + c + clean.substr(at);
      std::string written;
      AppendJsonText(text, &written);
      EXPECT_EQ(ParseJson(written)->as_string(), json::string_view(text)) << at << " " << int{c};
    }
  }
}

TEST(Json, MemoryOfOneTextHoldsAnySize) {
  for (const size_t count : {0, 3, 5000}) {
    json::array numbers;
    for (size_t i = 0; i < count; ++i) numbers.push_back(json::value(0.5 * static_cast<double>(i)));
    const json::object object = {{"entities", {{"name", std::string(count, 'x')}}},
                                 {"numbers", std::move(numbers)}};
    JsonMemory memory;
    const auto read = memory.ParseObject(ToText(object));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, object);
    // Another text in the same memory leaves the first alone.
    EXPECT_EQ(memory.ParseObject("{\"a\": [1, 2]}")->size(), 1u);
    EXPECT_EQ(*read, object);
  }
  JsonMemory memory;
  EXPECT_TRUE(memory.ParseObject("[]").status().IsInvalid());
  EXPECT_TRUE(memory.ParseObject("{\"a\": ").status().IsInvalid());
  EXPECT_TRUE(memory.ParseObject("{\"a\": 1}", {.max_bytes = 4}).status().IsCapacityError());
}

}  // namespace
}  // namespace tercet
