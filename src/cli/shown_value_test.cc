#include "cli/shown_value.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(ShownValue, NumbersAreAsPeopleWriteThem) {
  const json::value value = {{"auc", 0.81}, {"text 8E1 \"\\", "1E5\\\""}, {"whole", 200.0},
                             {"tiny", -1.5e-20}, {"huge", 1e300}, {"zero", 0.0}, {"count", 7},
                             {"flags", {true, false, nullptr}}};
  const std::string plain = PlainJson(value);
  EXPECT_EQ(plain,
            R"({"auc":0.81,"text 8E1 \"\\":"1E5\\\"","whole":200.0,"tiny":-1.5e-20,)"
            R"("huge":1e+300,"zero":0.0,"count":7,"flags":[true,false,null]})");
  EXPECT_EQ(*ParseJson(plain), *ParseJson(ToText(value)));
}

TEST(ShownValue, PeopleReadNoJson) {
  const json::value column = {{"name", "rain"}, {"type", "double"}, {"nullable", true}};
  EXPECT_EQ(ShownValue(json::array{"a", "b"}), "a, b");
  EXPECT_EQ(ShownValue(json::object{{"inputs", json::array{column}},
                                    {"outputs", json::array{column}}}),
            "rain: double → rain: double");
  EXPECT_EQ(ShownValue({{"auc", 0.8}, {"team", "sky"}}), "auc=0.8, team=sky");
  EXPECT_EQ(ShownValue(json::object()), "");
  EXPECT_EQ(ShownValue(nullptr), "");
  EXPECT_EQ(ShownValue({{"nested", {{"a", 0.5}}}}), R"({"nested":{"a":0.5}})");
}

}  // namespace
}  // namespace tercet
