#include "base/parallel.h"

#include <atomic>
#include <new>
#include <stdexcept>
#include <thread>
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

TEST(Parallel, WhatIsThrownIsAFailure) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> running{0};
    const Status status = ParallelFor(8, [&](int64_t) -> Status {
      ++running;
      while (running < 2 && ThreadCount() > 1) std::this_thread::yield();  // a helper throws, too
      throw std::runtime_error("no luck");
    });
    EXPECT_TRUE(status.IsUnknownError());
    EXPECT_EQ(status.message(), "no luck");
  }
  EXPECT_TRUE(ParallelFor(2, [](int64_t) -> Status { throw std::bad_alloc(); }).IsOutOfMemory());
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
