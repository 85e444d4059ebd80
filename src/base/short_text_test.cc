#include "base/short_text.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(ShortText, CutsNoCharacterInTwo) {
  EXPECT_EQ(ShortText(""), "");
  EXPECT_EQ(ShortText("whole", 5), "whole");
  EXPECT_EQ(ShortText("longer", 5), "longe…");
  EXPECT_EQ(ShortText("caf\u00E9s", 4), "caf…");
  EXPECT_EQ(ShortText("caf\u00E9s", 5), "caf\u00E9…");
  EXPECT_EQ(ShortText("\xF0\x9D\x84\x9E", 3), "…");
  EXPECT_EQ(ShortText(std::string(81, 'a')), std::string(80, 'a') + "…");
}

}  // namespace
}  // namespace tercet
