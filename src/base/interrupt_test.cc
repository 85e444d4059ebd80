#include "base/interrupt.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/parallel.h"

namespace tercet {
namespace {

std::atomic<bool> wanted;
std::atomic<int> told;  // how often somebody was told that it is

bool Wanted() {
  if (wanted) ++told;
  return wanted;
}

TEST(Interrupt, NothingIsInterruptedWithoutAScope) {
  wanted = true;
  EXPECT_FALSE(CanBeInterrupted());
  EXPECT_TRUE(CheckInterrupt().ok());
}

TEST(Interrupt, StaysWantedUntilTheScopeIsLeft) {
  wanted = true;
  {
    const InterruptScope scope(&Wanted);
    EXPECT_TRUE(CheckInterrupt().IsUnknownError());
    wanted = false;
    EXPECT_TRUE(CheckInterrupt().IsUnknownError());
  }
  const InterruptScope scope(&Wanted);
  EXPECT_TRUE(CanBeInterrupted());
  EXPECT_TRUE(CheckInterrupt().ok());
}

TEST(Interrupt, IsOfItsThreadAlone) {
  wanted = true;
  const InterruptScope scope(&Wanted);
  Status other;
  std::thread([&] { other = CheckInterrupt(); }).join();
  EXPECT_TRUE(other.ok());
}

// More tasks than could end in a day, each of which ends soon: only the interrupt ends the loop.
TEST(Interrupt, EndsAParallelLoop) {
  wanted = false;
  const InterruptScope scope(&Wanted);
  std::atomic<int64_t> begun = 0;
  const Status status = ParallelFor(int64_t{1} << 24, [&](int64_t) {
    if (++begun == 1000) wanted = true;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    return Status::OK();
  });
  EXPECT_TRUE(status.IsUnknownError()) << status.ToString();
  EXPECT_LT(begun.load(), int64_t{1} << 24);
}

// The caller's own tasks are done, and it waits for a helper: it still hears of the interrupt.
TEST(Interrupt, EndsTheWaitForOthers) {
  wanted = false;
  told = 0;
  const InterruptScope scope(&Wanted);
  const auto caller = std::this_thread::get_id();
  const Status status = ParallelFor(2, [&](int64_t) {
    if (std::this_thread::get_id() == caller) return Status::OK();
    wanted = true;
    while (told == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Status::OK();
  });
  // Where no helper comes in time the caller does both, and nobody wants an end.
  EXPECT_EQ(status.IsUnknownError(), wanted.load()) << status.ToString();
}

}  // namespace
}  // namespace tercet
