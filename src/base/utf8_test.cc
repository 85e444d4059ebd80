#include "base/utf8.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(Utf8, KeepsCharactersAndReplacesWhatIsNone) {
  for (const std::string text :
       {"", "plain", "é", "€", "𝄞 and more", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(ToUtf8(text), text);
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (size_t ascii = 0; ascii < 20; ++ascii) {
    const std::string before(ascii, 'x');
    EXPECT_TRUE(IsUtf8(before + "é" + before));
    EXPECT_FALSE(IsUtf8(before + "\xC3" + before)) << ascii;
  }
  EXPECT_EQ(ToUtf8("caf\xC3"), "caf\uFFFD");                     // cut within é
  EXPECT_EQ(ToUtf8("\xC3(x"), "\uFFFD(x");
  EXPECT_EQ(ToUtf8("\xC0\xAF"), "\uFFFD\uFFFD");                 // longer than needed
  EXPECT_EQ(ToUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");       // a surrogate
  EXPECT_EQ(ToUtf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(ToUtf8(std::string("a\0\xFF", 3)), std::string("a\0\xEF\xBF\xBD", 5));
}

}  // namespace
}  // namespace tercet
