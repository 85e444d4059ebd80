#include "online/redis_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "online/test_redis_rows.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

using RedisStoreTest = RedisRowsTest;

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
  WithinAMinute([&] {
    value = ReadValue(store.get(), 1);
    return value.ok();
  });
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
  const auto rows = arrow::RecordBatch::Make(
      definition.schema, 3, {Int64s({1, 2, 3}), Int64s({10, 20, 30}), Int64s({2, 3, 1})});
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
  WithinAMinute([&] {
    back = read(2);
    return back.ok();
  });
  EXPECT_EQ(back.ValueOrDie(),
            (std::vector<Row>{{RowStatus::kPresent, 20}, {RowStatus::kPresent, 30}}));
  // The copies have what was read since.
  server.Kill();
  EXPECT_EQ(read(2).ValueOrDie()[1], (Row{RowStatus::kStale, 30}));
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

}  // namespace
}  // namespace tercet
