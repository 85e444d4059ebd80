// A Redis that is there and does not answer: a process that was stopped, whose socket the system
// still accepts connections on.

#include <gtest/gtest.h>

#include "base/deadline.h"
#include "online/test_redis.h"

namespace tercet {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What its connections wait for without a deadline; a call with one must end well before.
constexpr milliseconds kSilence{5000};

/// Asks with so much time; gives the error, and how long it took.
std::pair<Status, milliseconds> Ask(RedisLink* link, milliseconds time) {
  const auto begun = steady_clock::now();
  const DeadlineScope scope(begun + time);
  const Status asked = link->Run(RedisCommand{"PING", ""}).status();
  return {asked, std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun)};
}

TEST(RedisPatience, ARequestWaitsForAHangingRedisNoLongerThanItMay) {
  TestRedis redis;
  const auto link = RedisLink::Connect(redis.address()).ValueOrDie();
  ASSERT_TRUE(Ask(link.get(), std::chrono::minutes(1)).first.ok());
  redis.Hang();
  // By a connection that was kept, by a new one or by none while it is not tried: never for long.
  for (int i = 0; i < 3; ++i) {
    const auto [asked, took] = Ask(link.get(), milliseconds(100));
    EXPECT_TRUE(asked.IsIOError()) << asked.ToString();
    EXPECT_LT(took, kSilence / 2);
    std::this_thread::sleep_for(milliseconds(60));  // then it is tried again
  }
  EXPECT_TRUE(Ask(link.get(), milliseconds(0)).first.IsIOError());
  redis.GoOn();
  // It is found again, at the latest two seconds after the last try.
  Status asked;
  EXPECT_TRUE(WithinAMinute([&] {
    asked = Ask(link.get(), std::chrono::minutes(1)).first;
    return asked.ok();
  })) << asked.ToString();
}

}  // namespace
}  // namespace tercet
