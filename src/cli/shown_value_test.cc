#include "cli/shown_value.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

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
