#include "online/redis_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RedisAddress, AddressesAreRead) {
  const RedisAddress address =
      RedisAddress::Parse("redis://:secret@cache.local:7000/2").ValueOrDie();
  EXPECT_EQ(address.host, "cache.local");
  EXPECT_EQ(address.port, 7000);
  EXPECT_EQ(address.password, "secret");
  EXPECT_EQ(address.database, 2);
  EXPECT_EQ(address.stale_seconds, 0);
  EXPECT_EQ(RedisAddress::Parse("redis://localhost").ValueOrDie().Node(), "localhost:6379");
  EXPECT_EQ(RedisAddress::Parse("redis://localhost:7/3?stale=90").ValueOrDie().stale_seconds, 90);
  EXPECT_EQ(RedisAddress::Parse("redis://localhost?stale=9").ValueOrDie().Node(), "localhost:6379");
  const RedisAddress cluster = RedisAddress::Parse(
                                   "rediss://ann%40x:a%2fb%25@one:1,[::1]:2,three/0"
                                   "?stale=4&ca=/a%20b&name=n")
                                   .ValueOrDie();
  EXPECT_EQ(cluster.user, "ann@x");
  EXPECT_EQ(cluster.password, "a/b%");
  EXPECT_EQ(cluster.Node(), "one:1");
  EXPECT_THAT(cluster.others, ElementsAre("::1:2", "three:6379"));
  EXPECT_EQ(cluster.stale_seconds, 4);
  ASSERT_TRUE(cluster.tls);
  EXPECT_EQ(cluster.tls->ca_file, "/a b");
  EXPECT_EQ(cluster.tls->server_name, "n");
  EXPECT_FALSE(address.tls);
  EXPECT_THAT(RedisAddress::Parse("redis://x?stall=1").status().message(),
              HasSubstr("did you mean 'stale'"));
  for (const char* wrong :
       {"", "localhost:6379", "redis://", "redis://x:y", "redis://x:6379/a", "redis://x:99999",
        "redis://x?stale=", "redis://x?stale=-1", "redis://x?fresh=1", "redis://:sec%ret@x",
        "redis://secret@x", "redis://x,:1", "redis://[::1", "redis://x?ca=/ca",
        "rediss://x?cert=/c"}) {
    const Status status = RedisAddress::Parse(wrong).status();
    EXPECT_TRUE(status.IsInvalid()) << wrong;
    EXPECT_THAT(status.message(), Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace tercet
