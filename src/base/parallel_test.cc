#include "base/parallel.h"

#include <atomic>
#include <vector>

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(Parallel, RunsEveryTaskOnce) {
  std::vector<std::atomic<int>> counts(1000);
  ASSERT_TRUE(ParallelFor(1000, [&](int64_t i) {
                ++counts[i];
                return Status::OK();
              }).ok());
  for (const std::atomic<int>& count : counts) EXPECT_EQ(count, 1);
}

TEST(Parallel, ReturnsAFailureAndStopsEarly) {
  const Status status = ParallelFor(100, [](int64_t i) {
    return i == 3 ? Status::Invalid("three") : Status::OK();
  });
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_EQ(status.message(), "three");
}

TEST(Parallel, NestsWithoutDeadlock) {
  std::atomic<int> count{0};
  ASSERT_TRUE(ParallelFor(8, [&](int64_t) {
                return ParallelFor(8, [&](int64_t) {
                  ++count;
                  return Status::OK();
                });
              }).ok());
  EXPECT_EQ(count, 64);
}

}  // namespace
}  // namespace tercet
