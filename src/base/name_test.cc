#include "base/name.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(Name, NamesStayInTheirFolder) {
  EXPECT_TRUE(CheckName("feature group", "weather_2-b").ok());
  for (const char* name : {"", "..", ".", "a/b", "../a", "/a", "a b", "1a", "_a", "a\n", "naïve",
                           "a.b", "a\\b"}) {
    const Status status = CheckName("feature group", name);
    EXPECT_TRUE(status.IsInvalid()) << name;
    EXPECT_NE(status.message().find("feature group"), std::string::npos);
  }
  EXPECT_TRUE(CheckName("model", std::string(63, 'a')).ok());
  EXPECT_TRUE(CheckName("model", std::string(64, 'a')).IsInvalid());
}

TEST(Name, ColumnsMayHaveAnyPrintableName) {
  EXPECT_TRUE(CheckColumnName("température °C").ok());
  EXPECT_TRUE(CheckColumnName("").IsInvalid());
  EXPECT_TRUE(CheckColumnName("a\tb").IsInvalid());
  EXPECT_TRUE(CheckColumnName("\xff").IsInvalid());
}

TEST(Name, SuggestsTheNearest) {
  EXPECT_EQ(Suggest("amnt", {"amount", "origin"}), " (did you mean 'amount'?)");
  EXPECT_EQ(Suggest("zzz", {"amount", "origin"}), " (there is 'amount', 'origin')");
  EXPECT_EQ(Suggest("zzz", {}), "");
  EXPECT_EQ(Suggest("s", {"t", "S"}), " (did you mean 'S'?)");
  EXPECT_EQ(Suggest("id", {"x"}), " (there is 'x')");
}

}  // namespace
}  // namespace tercet
