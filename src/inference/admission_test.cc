#include "inference/admission.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "base/overload.h"

namespace tercet {
namespace {

std::optional<Admission::TimePoint> In(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

TEST(AdmissionTest, WithoutALimitEverybodyEnters) {
  Admission admission;
  std::vector<Admission::Place> places;
  for (int i = 0; i < 100; ++i) places.push_back(admission.Enter({}, std::nullopt).ValueOrDie());
  EXPECT_EQ(admission.pending(), 100);
  places.clear();
  EXPECT_EQ(admission.pending(), 0);
}

TEST(AdmissionTest, RefusesWhenTheQueueIsFull) {
  Admission admission;
  const ServingPolicy policy{.concurrency = 1, .queue = 0};
  const auto first = admission.Enter(policy, std::nullopt);
  ASSERT_TRUE(first.ok());
  const Status refused = admission.Enter(policy, std::nullopt).status();
  EXPECT_EQ(RetryAfterSeconds(refused), 1);
  EXPECT_FALSE(IsTooLate(refused));
}

TEST(AdmissionTest, AWaitEndsWithTheDeadline) {
  Admission admission;
  const ServingPolicy policy{.concurrency = 1, .queue = 1};
  const auto first = admission.Enter(policy, std::nullopt);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(IsTooLate(admission.Enter(policy, In(std::chrono::milliseconds(1))).status()));
  EXPECT_EQ(admission.pending(), 1);
}

TEST(AdmissionTest, WhoWaitsEntersWhenAPlaceIsFree) {
  Admission admission;
  const ServingPolicy policy{.concurrency = 1, .queue = 1};
  auto first = std::make_unique<Result<Admission::Place>>(admission.Enter(policy, std::nullopt));
  auto second = std::async(std::launch::async,
                           [&] { return admission.Enter(policy, std::nullopt).ok(); });
  while (admission.pending() < 2) std::this_thread::yield();
  EXPECT_TRUE(RetryAfterSeconds(admission.Enter(policy, std::nullopt).status()).has_value());
  first.reset();
  EXPECT_TRUE(second.get());
  EXPECT_EQ(admission.pending(), 0);
}

TEST(AdmissionTest, NeverMoreThanTheLimitAtOnce) {
  Admission admission;
  const ServingPolicy policy{.concurrency = 3, .queue = 1000};
  std::atomic<int> inside = 0, most = 0, answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto place = admission.Enter(policy, std::nullopt);
        if (!place.ok()) continue;
        const int now = ++inside;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::yield();
        --inside;
        ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 1600);
  EXPECT_LE(most, 3);
}

}  // namespace
}  // namespace tercet
