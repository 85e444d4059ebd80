#include "online/redis_store.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "online/test_redis.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kNow = 1'000'000;
const Ref kGroup{"weather", 1};

FeatureGroupDefinition Weather(const Ref& group = kGroup) {
  FeatureGroupDefinition definition;
  definition.name = group.name;
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
Status Load(OnlineStore* store, int64_t value, int64_t version, const Ref& group = kGroup) {
  std::vector<int64_t> ids, values(10, value);
  for (int64_t id = 0; id < 10; ++id) ids.push_back(id);
  const auto rows = arrow::RecordBatch::Make(Weather().schema, 10, {Int64s(ids), Int64s(values)});
  return store->Load(group, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), version);
}

Status Upsert(OnlineStore* store, int64_t id, int64_t value, int64_t version,
              const Ref& group = kGroup) {
  const auto fields = Weather().schema->fields();
  const auto schema = arrow::schema({fields[0], fields[1],
                                     arrow::field("_change_type", arrow::utf8()),
                                     arrow::field("_commit_version", arrow::int64())});
  arrow::StringBuilder type;
  EXPECT_TRUE(type.Append("insert").ok());
  const auto rows = arrow::RecordBatch::Make(
      schema, 1,
      {Int64s({id}), Int64s({value}), type.Finish().ValueOrDie(), Int64s({version})});
  return store->Apply(group, arrow::RecordBatchReader::Make({rows}).ValueOrDie(), version)
      .status();
}

Result<int64_t> ReadValue(OnlineStore* store, int64_t id, const std::string& column = "value",
                          const Ref& group = kGroup) {
  const auto keys = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 1,
                                             {Int64s({id})});
  ARROW_ASSIGN_OR_RAISE(
      const auto answers,
      store->Read({{.group = group,
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
  const RedisAddress cluster =
      RedisAddress::Parse("rediss://ann%40x:a%2fb%25@one:1,[::1]:2,three/0"
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
  for (const char* wrong : {"", "localhost:6379", "redis://", "redis://x:y", "redis://x:6379/a",
                            "redis://x:99999", "redis://x?stale=", "redis://x?stale=-1",
                            "redis://x?fresh=1", "redis://:sec%ret@x", "redis://secret@x",
                            "redis://x,:1", "redis://[::1", "redis://x?ca=/ca",
                            "rediss://x?cert=/c"}) {
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
  ask(to, "cluster setslot " + slot + " importing " + cluster.IdOf(from));
  ask(from, "cluster setslot " + slot + " migrating " + cluster.IdOf(to));
  read_on();
  ask(from, "migrate 127.0.0.1 " + std::to_string(cluster.node(to).port()) + " '" + key +
                "' 0 5000");
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

TEST_F(RedisStoreTest, SlotsMoveWhileTheyAreReadAndWritten) {
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
  const std::string moved =
      AskNode(cluster.node(0), "--cluster reshard 127.0.0.1:" +
                                   std::to_string(cluster.node(0).port()) + " --cluster-from " +
                                   cluster.IdOf(0) + " --cluster-to " + cluster.IdOf(1) +
                                   " --cluster-slots 1000 --cluster-yes");
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

/// Asks until somebody answers: a Cluster takes seconds to agree that a node is gone or there.
Result<int64_t> ReadInTheEnd(OnlineStore* store, int64_t id) {
  Result<int64_t> value = Status::IOError("not asked");
  for (int i = 0; i < 6000 && !value.ok(); ++i) {
    value = ReadValue(store, id);
    if (!value.ok()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return value;
}

TEST_F(RedisStoreTest, AMasterThatGoesAwayIsToldAndFoundAgain) {
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
  for (int i = 0; i < 6000 && !written.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    written = Upsert(store.get(), 1, 6, 2);
  }
  EXPECT_TRUE(written.ok()) << written;
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 6);
}

TEST_F(RedisStoreTest, AReplicaTakesOverAndTheMasterComesBack) {
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
  for (int i = 0; i < 6000; ++i) {
    if (AskNode(cluster.node(master), "role").starts_with("slave")) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(ReadInTheEnd(store.get(), 1).ValueOrDie(), 6);
  EXPECT_TRUE(Upsert(store.get(), 1, 7, 3).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 7);
}

TEST_F(RedisStoreTest, SeveralNodesAreOfACluster) {
  TestRedis server;
  RedisAddress address = server.address();
  address.others = {address.Node()};
  const Status status = RedisLink::Connect(address).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.message(), HasSubstr("none of a Cluster"));
}

TEST_F(RedisStoreTest, AUserHasItsPasswordAndItsRights) {
  // What the store needs, and nothing else.
  TestRedis server({"--user", "tercet", "on", ">secret", "~test:*", "-@all", "+@hash", "+@string",
                    "+unlink", "+cluster|slots", "+select", "+ping", "--requirepass", "admin"},
                   {.user = "tercet", .password = "secret"});
  const auto store = Open(server.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  ASSERT_TRUE(Upsert(store.get(), 1, 6, 2).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 6);
  EXPECT_TRUE(store->Drop(kGroup).ok());
  RedisAddress wrong = server.address();
  wrong.password = "guess";
  const Status refused = RedisLink::Connect(wrong).status();
  EXPECT_THAT(refused.message(), HasSubstr("refuses AUTH: WRONGPASS"));
  EXPECT_THAT(refused.message(), Not(HasSubstr("guess")));
  RedisAddress nobody = server.address();
  nobody.user = nobody.password = "";
  EXPECT_THAT(RedisStore::Open(nobody, "test", SystemClock()).status().message(),
              HasSubstr("NOAUTH"));
  // By the default user's password alone.
  nobody.password = "admin";
  EXPECT_TRUE(RedisStore::Open(nobody, "test", SystemClock()).ok());
}

/// A certificate authority, and what it vouches for: a server at 127.0.0.1, and a client.
class Certificates {
 public:
  Certificates()
      : folder_(std::filesystem::temp_directory_path() / ("tercet-tls-" + NewUuid())) {
    std::filesystem::create_directories(folder_);
    Run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt");
    for (const std::string name : {"server", "client"}) {
      Run("req -newkey rsa:2048 -nodes -subj /CN=" + name +
          " -addext subjectAltName=IP:127.0.0.1 -keyout " + name + ".key -out " + name + ".csr");
      Run("x509 -req -in " + name + ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 " +
          "-copy_extensions copy -out " + name + ".crt");
    }
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return folder_ / name; }

 private:
  void Run(const std::string& arguments) const {
    const std::string line = "cd " + folder_.string() + " && openssl " + arguments + " 2>log";
    ASSERT_EQ(std::system(line.c_str()), 0) << line;
  }
  const std::filesystem::path folder_;
};

TEST_F(RedisStoreTest, IsReachedByTls) {
  const Certificates files;
  TlsSettings tls;
  tls.ca_file = files.Path("ca.crt");
  tls.certificate_file = files.Path("client.crt");
  tls.key_file = files.Path("client.key");
  TestRedis server({"--tls-cert-file", files.Path("server.crt"), "--tls-key-file",
                    files.Path("server.key"), "--tls-ca-cert-file", files.Path("ca.crt"),
                    "--tls-auth-clients", "yes"},
                   {.tls = tls});
  const auto store = Open(server.address());
  ASSERT_TRUE(store->Define(Weather()).ok());
  ASSERT_TRUE(Load(store.get(), 5, 1).ok());
  EXPECT_EQ(ReadValue(store.get(), 1).ValueOrDie(), 5);
  // More than one record of TLS, in both directions.
  std::string big(3 << 20, 'x');
  const auto link = RedisLink::Connect(server.address()).ValueOrDie();
  ASSERT_TRUE(link->Run(RedisCommand{"SET", "big", big}).ok());
  EXPECT_EQ(link->Run(RedisCommand{"GET", "big"}).ValueOrDie().text, big);

  RedisAddress stranger = server.address();
  stranger.tls->ca_file = "";
  EXPECT_THAT(RedisLink::Connect(stranger).status().message(),
              HasSubstr("its certificate is not trusted"));
  RedisAddress other = server.address();
  other.tls->server_name = "cache.example";
  EXPECT_THAT(RedisLink::Connect(other).status().message(),
              HasSubstr("its certificate is not trusted"));
  RedisAddress unnamed = server.address();
  unnamed.tls->certificate_file = unnamed.tls->key_file = "";
  EXPECT_TRUE(RedisLink::Connect(unnamed).status().IsIOError());
  RedisAddress plain = server.address();
  plain.tls.reset();
  EXPECT_TRUE(RedisLink::Connect(plain).status().IsIOError());
  // It may come back like any other.
  server.Kill();
  EXPECT_TRUE(ReadValue(store.get(), 1).status().IsIOError());
}

}  // namespace
}  // namespace tercet
