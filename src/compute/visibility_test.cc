#include "compute/visibility.h"

#include <limits>

#include <gtest/gtest.h>

namespace tercet {
namespace {

constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
constexpr int64_t kLast = std::numeric_limits<int64_t>::max();

TEST(VisibilityTest, ARowIsVisibleFromItsOwnTimeOn) {
  EXPECT_TRUE(Visible(10, 10, std::nullopt));
  EXPECT_TRUE(Visible(10, 11, std::nullopt));
  EXPECT_FALSE(Visible(10, 9, std::nullopt));
}

TEST(VisibilityTest, AnAgeOfExactlyTheTtlIsVisible) {
  EXPECT_TRUE(Visible(10, 15, 5));
  EXPECT_FALSE(Visible(10, 16, 5));
  EXPECT_TRUE(Visible(10, 10, 0));
  EXPECT_FALSE(Visible(10, 11, 0));
  EXPECT_FALSE(Visible(10, 9, 5));
}

TEST(VisibilityTest, ExtremesDoNotOverflow) {
  EXPECT_TRUE(Visible(kFirst, kLast, std::nullopt));
  EXPECT_FALSE(Visible(kFirst, kLast, kLast));
  EXPECT_TRUE(Visible(kFirst, -1, kLast));
  EXPECT_FALSE(Visible(kFirst, 0, kLast));
  EXPECT_FALSE(Visible(kLast, kFirst, kLast));
  EXPECT_TRUE(Visible(kLast, kLast, 0));
}

}  // namespace
}  // namespace tercet
