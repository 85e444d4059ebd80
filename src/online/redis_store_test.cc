#include "online/redis_store.h"

#include <atomic>
#include <thread>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "online/test_redis.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kNow = 1'000'000;
const Ref kGroup{"weather", 1};

FeatureGroupDefinition Weather() {
  FeatureGroupDefinition definition;
  definition.name = "weather";
  definition.primary_key = {"id"};
  definition.online = true;
  definition.schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", arrow::int64())});
  return definition;
}

std::shared_ptr<arrow::Array> Int64s(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

/// Rows 0 to 9, all of one value.
Status Load(OnlineStore* store, int64_t value, int64_t version) {
  std::vector<int64_t> ids, values(10, value);
  for (int64_t id = 0; id < 10; ++id) ids.push_back(id);
  const auto rows = arrow::RecordBatch::Make(Weather().schema, 10, {Int64s(ids), Int64s(values)});
  return store->Load(kGroup, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), version);
}

Status Upsert(OnlineStore* store, int64_t id, int64_t value, int64_t version) {
  const auto fields = Weather().schema->fields();
  const auto schema = arrow::schema({fields[0], fields[1],
                                     arrow::field("_change_type", arrow::utf8()),
                                     arrow::field("_commit_version", arrow::int64())});
  arrow::StringBuilder type;
  EXPECT_TRUE(type.Append("insert").ok());
  const auto rows = arrow::RecordBatch::Make(
      schema, 1,
      {Int64s({id}), Int64s({value}), type.Finish().ValueOrDie(), Int64s({version})});
  return store->Apply(kGroup, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), version)
      .status();
}

Result<int64_t> ReadValue(OnlineStore* store, int64_t id, const std::string& column = "value") {
  const auto keys = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 1,
                                             {Int64s({id})});
  ARROW_ASSIGN_OR_RAISE(
      const auto answers,
      store->Read({{.group = kGroup,
                    .keys = keys,
                    .event_times_us = {kNow},
                    .columns = {column}}}));
  const auto& values = static_cast<const arrow::Int64Array&>(*answers[0].rows->column(0));
  return values.IsNull(0) ? -1 : values.Value(0);
}

class RedisStoreTest : public ::testing::Test {
 protected:
  static std::unique_ptr<OnlineStore> Open(const RedisAddress& address) {
    static const ManualClock* clock = new ManualClock(kNow);
    return RedisStore::Open(address, "test", clock).ValueOrDie();
  }
};

TEST_F(RedisStoreTest, AddressesAreRead) {
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
  for (const char* wrong : {"", "localhost:6379", "redis://", "redis://x:y", "redis://x:6379/a",
                            "redis://user:secret@x", "redis://x:99999", "redis://x?stale=",
                            "redis://x?stale=-1", "redis://x?fresh=1"}) {
    const Status status = RedisAddress::Parse(wrong).status();
    EXPECT_TRUE(status.IsInvalid()) << wrong;
    EXPECT_THAT(status.message(), Not(HasSubstr("secret")));
  }
}

TEST_F(RedisStoreTest, SlotsAreTheSpecifications) {
  EXPECT_EQ(RedisLink::SlotOf("123456789"), 0x31c3);
  EXPECT_EQ(RedisLink::SlotOf("{user1000}.following"), RedisLink::SlotOf("user1000"));
  EXPECT_EQ(RedisLink::SlotOf("foo{}{bar}"), RedisLink::SlotOf("foo{}{bar}"));
  EXPECT_NE(RedisLink::SlotOf("foo{}{bar}"), RedisLink::SlotOf("bar"));
  EXPECT_EQ(RedisLink::SlotOf("foo{{bar}}zap"), RedisLink::SlotOf("{bar"));
}

TEST_F(RedisStoreTest, OtherProcessesFollowTheWriter) {
  TestRedis server;
  const auto writer = Open(server.address());
  const auto reader = Open(server.address());
  EXPECT_TRUE(ReadValue(reader.get(), 1).status().IsKeyError());
  ASSERT_TRUE(writer->Define(Weather()).ok());
  EXPECT_EQ(ReadValue(reader.get(), 1).ValueOrDie(), -1);
  ASSERT_TRUE(Upsert(writer.get(), 1, 10, 1).ok());
  EXPECT_EQ(ReadValue(reader.get(), 1).ValueOrDie(), 10);
  ASSERT_TRUE(Load(writer.get(), 20, 2).ok());
  EXPECT_EQ(ReadValue(reader.get(), 1).ValueOrDie(), 20);
  FeatureGroupDefinition wider = Weather();
  wider.schema = wider.schema->AddField(2, arrow::field("extra", arrow::int64())).ValueOrDie();
  ASSERT_TRUE(writer->Define(wider).ok());
  ASSERT_TRUE(Upsert(writer.get(), 1, 30, 3).ok());
  EXPECT_EQ(ReadValue(reader.get(), 1).ValueOrDie(), 30);
  EXPECT_EQ(ReadValue(reader.get(), 1, "extra").ValueOrDie(), -1);
  EXPECT_EQ(reader->AppliedVersion(kGroup).ValueOrDie(), 3);
  ASSERT_TRUE(writer->Drop(kGroup).ok());
  EXPECT_TRUE(ReadValue(reader.get(), 1).status().IsKeyError());
}

TEST_F(RedisStoreTest, ARedisThatGoesAwayIsToldAndFoundAgain) {
  TestRedis server({"--appendonly", "yes", "--appendfsync", "always"});
  const auto store = Open(server.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  server.Kill();
  for (int i = 0; i < 3; ++i) {
    const Status status = ReadValue(store.get(), 1).status();
    EXPECT_TRUE(status.IsIOError());
    EXPECT_THAT(status.message(), HasSubstr("Redis"));
  }
  EXPECT_TRUE(Upsert(store.get(), 1, 6, 2).IsIOError());
  server.Start();
  Result<int64_t> value = Status::IOError("not asked");
  for (int i = 0; i < 500 && !value.ok(); ++i) {
    value = ReadValue(store.get(), 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(value.ValueOrDie(), 5);
  EXPECT_TRUE(Upsert(store.get(), 1, 6, 2).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 6);
}

TEST_F(RedisStoreTest, AReaderMayAnswerFromBeforeAndSaysSo) {
  TestRedis server({"--appendonly", "yes", "--appendfsync", "always"});
  RedisAddress address = server.address();
  address.stale_seconds = 60;
  ManualClock clock(kNow);
  const auto store = RedisStore::Open(address, "test", &clock).ValueOrDie();
  FeatureGroupDefinition definition = Weather();
  definition.schema =
      definition.schema->AddField(2, arrow::field("next", arrow::int64())).ValueOrDie();
  ASSERT_TRUE(store->Define(definition).ok());
  const auto rows = arrow::RecordBatch::Make(definition.schema, 3,
                                             {Int64s({1, 2, 3}), Int64s({10, 20, 30}),
                                              Int64s({2, 3, 1})});
  ASSERT_TRUE(store->Load(kGroup, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), 1).ok());
  struct Row {
    RowStatus status;
    int64_t value;
    bool operator==(const Row&) const = default;
  };
  /// The row of an id, and that of the id in its column `next`.
  const auto read = [&](int64_t id) -> Result<std::vector<Row>> {
    const auto key_schema = arrow::schema({arrow::field("id", arrow::int64())});
    const auto keys = arrow::RecordBatch::Make(key_schema, 1, {Int64s({id})});
    ARROW_ASSIGN_OR_RAISE(
        const auto answers,
        store->Read({{.group = kGroup,
                      .keys = keys,
                      .event_times_us = {kNow},
                      .columns = {"value", "next"}},
                     {.group = kGroup,
                      .keys = keys,
                      .event_times_us = {kNow},
                      .columns = {"value"},
                      .keys_from = {{.key = 0, .request = 0, .column = "next"}}}}));
    std::vector<Row> found;
    for (const RowsAnswer& answer : answers) {
      const auto& values = static_cast<const arrow::Int64Array&>(*answer.rows->column(0));
      found.push_back({answer.status[0], values.IsNull(0) ? -1 : values.Value(0)});
    }
    return found;
  };
  const Row kUnknown{RowStatus::kUnavailable, -1};
  EXPECT_EQ(read(1).ValueOrDie(),
            (std::vector<Row>{{RowStatus::kPresent, 10}, {RowStatus::kPresent, 20}}));
  EXPECT_EQ(read(4).ValueOrDie()[0], (Row{RowStatus::kMissing, -1}));
  server.Kill();
  EXPECT_EQ(read(1).ValueOrDie(),
            (std::vector<Row>{{RowStatus::kStale, 10}, {RowStatus::kStale, 20}}));
  EXPECT_EQ(read(2).ValueOrDie()[0], (Row{RowStatus::kStale, 20}));
  // Was never read, or was not there: it may be by now.
  EXPECT_EQ(read(2).ValueOrDie()[1], kUnknown);
  EXPECT_EQ(read(4).ValueOrDie()[0], kUnknown);
  EXPECT_TRUE(Upsert(store.get(), 1, 6, 2).IsIOError());
  clock.Advance(61'000'000);
  EXPECT_TRUE(read(1).status().IsIOError());
  server.Start();
  Result<std::vector<Row>> back = Status::IOError("not asked");
  for (int i = 0; i < 500 && !back.ok(); ++i) {
    back = read(2);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(back.ValueOrDie(),
            (std::vector<Row>{{RowStatus::kPresent, 20}, {RowStatus::kPresent, 30}}));
  // The copies have what was read since.
  server.Kill();
  EXPECT_EQ(read(2).ValueOrDie()[1], (Row{RowStatus::kStale, 30}));
}

TEST_F(RedisStoreTest, RepliesThatAreNoAddressesAreNotFollowed) {
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

TEST_F(RedisStoreTest, WhatARedisLostIsKnownToBeLost) {
  TestRedis server;
  const auto store = Open(server.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  const auto link = RedisLink::Connect(server.address()).ValueOrDie();
  ASSERT_TRUE(link->Run(RedisCommand{"FLUSHALL", "SYNC"}).ok());
  EXPECT_TRUE(ReadValue(store.get(), 1).status().IsKeyError());
  EXPECT_EQ(store->AppliedVersion(kGroup).ValueOrDie(), -1);
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 7, 2).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 7);
}

TEST_F(RedisStoreTest, ARedisThatEvictsIsRefused) {
  TestRedis server({"--maxmemory-policy", "allkeys-lru"});
  const Status status = RedisStore::Open(server.address(), "test", SystemClock()).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("noeviction"));
}

TEST_F(RedisStoreTest, ASlotMovesToAnotherNodeWhileItIsRead) {
  TestCluster cluster;
  const auto store = Open(cluster.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 1, 1).ok());
  const std::string key = "test:{1.1}:rows";
  const std::string slot = std::to_string(RedisLink::SlotOf(key));
  const size_t from = RedisLink::SlotOf(key) < 8192 ? 0 : 1, to = 1 - from;
  const auto ask = [&](size_t node, const std::string& command) {
    const std::string answer = AskNode(cluster.node(node), command);
    EXPECT_THAT(answer, StartsWith("OK")) << command;
  };
  const auto id_of = [&](size_t node) {
    return AskNode(cluster.node(node), "cluster myid").substr(0, 40);
  };
  std::atomic<bool> done = false;
  std::atomic<int64_t> reads = 0;
  std::thread reader([&] {
    while (!done) {
      const auto value = ReadValue(store.get(), 3);
      ASSERT_TRUE(value.ok()) << value.status().ToString();
      ASSERT_EQ(*value, 1);
      ++reads;
    }
  });
  const auto read_on = [&] {
    const int64_t seen = reads;
    while (reads < seen + 20) std::this_thread::yield();
  };
  read_on();
  ask(to, "cluster setslot " + slot + " importing " + id_of(from));
  ask(from, "cluster setslot " + slot + " migrating " + id_of(to));
  read_on();
  ask(from, "migrate 127.0.0.1 " + std::to_string(cluster.node(to).port()) + " '" + key +
                "' 0 5000");
  read_on();  // The old node answers ASK.
  for (const size_t node : {to, from}) {
    ask(node, "cluster setslot " + slot + " node " + id_of(to));
  }
  read_on();  // The old node answers MOVED.
  done = true;
  reader.join();
  ASSERT_TRUE(Upsert(store.get(), 3, 2, 2).ok());
  EXPECT_EQ(ReadValue(store.get(), 3).ValueOrDie(), 2);
}

}  // namespace
}  // namespace tercet
