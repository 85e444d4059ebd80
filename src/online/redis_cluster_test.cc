// A Redis Cluster of several nodes, whose slots move and whose masters go away.

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "online/test_redis_rows.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class RedisClusterTest : public RedisRowsTest {
 protected:
  /// Asks until somebody answers: a Cluster takes seconds to agree that a node is gone or there.
  static Result<int64_t> ReadInTheEnd(OnlineStore* store, int64_t id) {
    Result<int64_t> value = Status::IOError("not asked");
    WithinAMinute([&] {
      value = ReadValue(store, id);
      return value.ok();
    });
    return value;
  }
};

TEST_F(RedisClusterTest, SlotsAreTheSpecifications) {
  EXPECT_EQ(RedisLink::SlotOf("123456789"), 0x31c3);
  EXPECT_EQ(RedisLink::SlotOf("{user1000}.following"), RedisLink::SlotOf("user1000"));
  EXPECT_EQ(RedisLink::SlotOf("foo{}{bar}"), RedisLink::SlotOf("foo{}{bar}"));
  EXPECT_NE(RedisLink::SlotOf("foo{}{bar}"), RedisLink::SlotOf("bar"));
  EXPECT_EQ(RedisLink::SlotOf("foo{{bar}}zap"), RedisLink::SlotOf("{bar"));
}

TEST_F(RedisClusterTest, RepliesThatAreNoAddressesAreNotFollowed) {
  RedisReply reply{.kind = RedisReply::Kind::kError, .text = "MOVED 3999 127.0.0.1:6381"};
  EXPECT_EQ(RedirectOf(reply, "MOVED ", "a:1"), "127.0.0.1:6381");
  EXPECT_EQ(RedirectOf(reply, "ASK ", "a:1"), "");
  reply.text = "MOVED 3999 :6381";
  EXPECT_EQ(RedirectOf(reply, "MOVED ", "a:1"), "a:6381");
  for (const char* text : {"MOVED ", "MOVED 1 x", "MOVED 1 x:", "MOVED 1 x:y", "MOVED 1 x:70000",
                           "MOVED 1 x:0", "MOVED 1 x:12y"}) {
    reply.text = text;
    EXPECT_EQ(RedirectOf(reply, "MOVED ", "a:1"), "") << text;
  }
}

TEST_F(RedisClusterTest, ASlotMovesToAnotherNodeWhileItIsRead) {
  TestCluster cluster;
  const auto store = Open(cluster.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 1, 1).ok());
  const std::string key = "test:{1.1}:rows";
  const std::string slot = std::to_string(RedisLink::SlotOf(key));
  const size_t from = TestCluster::MasterOf(RedisLink::SlotOf(key)), to = (from + 1) % 3;
  const auto ask = [&](size_t node, const std::string& command) {
    const std::string answer = AskNode(cluster.node(node), command);
    EXPECT_THAT(answer, StartsWith("OK")) << command;
  };
  std::atomic<bool> done = false;
  std::atomic<int64_t> reads = 0;
  std::thread reader([&] {
    while (!done) {
      const auto value = ReadValue(store.get(), 3);
      EXPECT_TRUE(value.ok()) << value.status().ToString();
      EXPECT_EQ(value.ValueOr(1), 1);
      ++reads;
    }
  });
  const auto read_on = [&] {
    const int64_t seen = reads;
    while (reads < seen + 20) std::this_thread::yield();
  };
  read_on();
  ask(to, "cluster setslot " + slot + " importing " + cluster.IdOf(from));
  ask(from, "cluster setslot " + slot + " migrating " + cluster.IdOf(to));
  read_on();
  ask(from,
      "migrate 127.0.0.1 " + std::to_string(cluster.node(to).port()) + " '" + key + "' 0 5000");
  read_on();  // The old node answers ASK.
  for (const size_t node : {to, from}) {
    ask(node, "cluster setslot " + slot + " node " + cluster.IdOf(to));
  }
  read_on();  // The old node answers MOVED.
  done = true;
  reader.join();
  ASSERT_TRUE(Upsert(store.get(), 3, 2, 2).ok());
  EXPECT_EQ(ReadValue(store.get(), 3).ValueOrDie(), 2);
}

TEST_F(RedisClusterTest, SlotsMoveWhileTheyAreReadAndWritten) {
  TestCluster cluster;
  const auto store = Open(cluster.address());
  std::vector<Ref> groups;
  std::vector<std::string> moving;  // those whose slot goes from the first node to the second
  for (int64_t g = 1; g <= 20; ++g) {
    groups.push_back({"weather" + std::to_string(g), 1});
    ASSERT_TRUE(store->Define(Weather(groups.back())).ok());
    ASSERT_TRUE(Load(store.get(), 1, 1, groups.back()).ok());
    if (RedisLink::SlotOf("{" + std::to_string(g) + ".1}") < 1000) {
      moving.push_back(groups.back().name);
    }
  }
  ASSERT_GE(moving.size(), 3);
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!done) {
      for (const Ref& group : groups) {
        const auto value = ReadValue(store.get(), 3, "value", group);
        ASSERT_TRUE(value.ok()) << value.status().ToString();
        ASSERT_EQ(*value, 1);
      }
    }
  });
  std::vector<int64_t> version(groups.size(), 1);
  threads.emplace_back([&] {
    while (!done) {
      for (size_t g = 0; g < groups.size(); ++g) {
        const Status written = Upsert(store.get(), 5, version[g] + 1, version[g] + 1, groups[g]);
        ASSERT_TRUE(written.ok()) << written;
        ++version[g];
      }
    }
  });
  const std::string moved = AskNode(
      cluster.node(0), "--cluster reshard 127.0.0.1:" + std::to_string(cluster.node(0).port()) +
                           " --cluster-from " + cluster.IdOf(0) + " --cluster-to " +
                           cluster.IdOf(1) + " --cluster-slots 1000 --cluster-yes");
  EXPECT_THAT(moved, HasSubstr("Moving slot 999 "));
  done = true;
  for (std::thread& thread : threads) thread.join();
  for (size_t g = 0; g < groups.size(); ++g) {
    EXPECT_GT(version[g], 1);
    EXPECT_EQ(ReadValue(store.get(), 5, "value", groups[g]).ValueOrDie(), version[g]);
    EXPECT_EQ(store->AppliedVersion(groups[g]).ValueOrDie(), version[g]);
  }
  // Whoever comes now reads them where they are.
  const auto other = Open(cluster.node(2).address());
  for (const Ref& group : groups) {
    EXPECT_EQ(ReadValue(other.get(), 3, "value", group).ValueOrDie(), 1);
  }
}

TEST_F(RedisClusterTest, AMasterThatGoesAwayIsToldAndFoundAgain) {
  TestCluster cluster(false, {"--appendonly", "yes", "--appendfsync", "always"});
  const size_t master = TestCluster::MasterOf(RedisLink::SlotOf("{1.1}"));
  // Another node is asked who has which slots when the first one named is away.
  RedisAddress address = cluster.node(master).address();
  address.others = {cluster.node((master + 1) % 3).address().Node()};
  const auto store = Open(address);
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 5);
  cluster.node(master).Kill();
  for (int i = 0; i < 3; ++i) {
    const Status status = ReadValue(store.get(), 1).status();
    EXPECT_TRUE(status.IsIOError()) << status;
    EXPECT_THAT(status.message(), HasSubstr("Redis"));
  }
  EXPECT_TRUE(Upsert(store.get(), 1, 6, 2).IsIOError());
  EXPECT_TRUE(RedisLink::Connect(address).ok());
  cluster.node(master).Start();
  EXPECT_EQ(ReadInTheEnd(store.get(), 1).ValueOrDie(), 5);
  Status written = Upsert(store.get(), 1, 6, 2);
  WithinAMinute([&] {
    if (!written.ok()) written = Upsert(store.get(), 1, 6, 2);
    return written.ok();
  });
  EXPECT_TRUE(written.ok()) << written;
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 6);
}

TEST_F(RedisClusterTest, AReplicaTakesOverAndTheMasterComesBack) {
  TestCluster cluster(true);
  const auto store = Open(cluster.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  const size_t master = TestCluster::MasterOf(RedisLink::SlotOf("{1.1}"));
  for (size_t i = 0; i < TestCluster::kMasters; ++i) {
    // What the replicas do not have would be lost: Redis acknowledges before they do.
    EXPECT_THAT(AskNode(cluster.node(i), "wait 1 60000"), StartsWith("1"));
  }
  cluster.node(master).Kill();
  EXPECT_EQ(ReadInTheEnd(store.get(), 1).ValueOrDie(), 5);
  ASSERT_TRUE(Upsert(store.get(), 1, 6, 2).ok());
  cluster.node(master).Start();
  EXPECT_TRUE(
      WithinAMinute([&] { return AskNode(cluster.node(master), "role").starts_with("slave"); }));
  EXPECT_EQ(ReadInTheEnd(store.get(), 1).ValueOrDie(), 6);
  EXPECT_TRUE(Upsert(store.get(), 1, 7, 3).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 7);
}

TEST_F(RedisClusterTest, SeveralNodesAreOfACluster) {
  TestRedis server;
  RedisAddress address = server.address();
  address.others = {address.Node()};
  const Status status = RedisLink::Connect(address).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("none of a Cluster"));
}

}  // namespace
}  // namespace tercet
