#include "online/online_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include <arrow/api.h>

#include "base/id.h"
#include "compute/visibility.h"
#include "online/redis_store.h"
#include "online/test_redis.h"

namespace tercet {
namespace {

constexpr int64_t kNow = 1'000'000;

std::shared_ptr<arrow::DataType> Micros() { return arrow::timestamp(arrow::TimeUnit::MICRO); }

FeatureGroupDefinition Weather() {
  FeatureGroupDefinition definition;
  definition.name = "weather";
  definition.primary_key = {"id"};
  definition.event_time = "time";
  definition.online = true;
  definition.schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("time", Micros()),
                     arrow::field("value", arrow::int64())});
  return definition;
}

struct Change {
  std::string type;  ///< empty: a plain row
  int64_t id = 0, time = 0, value = 0, commit = 0;
};

std::shared_ptr<arrow::RecordBatchReader> Rows(const std::vector<Change>& changes, bool feed,
                                               bool timed = true) {
  arrow::Int64Builder id, value, commit;
  arrow::TimestampBuilder time(Micros(), arrow::default_memory_pool());
  arrow::StringBuilder type;
  for (const Change& change : changes) {
    EXPECT_TRUE(id.Append(change.id).ok() && time.Append(change.time).ok() &&
                value.Append(change.value).ok() && type.Append(change.type).ok() &&
                commit.Append(change.commit).ok());
  }
  arrow::FieldVector fields = {arrow::field("id", arrow::int64()),
                               arrow::field("value", arrow::int64())};
  arrow::ArrayVector arrays = {id.Finish().ValueOrDie(), value.Finish().ValueOrDie()};
  if (timed) {
    fields.push_back(arrow::field("time", Micros()));
    arrays.push_back(time.Finish().ValueOrDie());
  }
  if (feed) {
    fields.push_back(arrow::field("_change_type", arrow::utf8()));
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    arrays.push_back(type.Finish().ValueOrDie());
    arrays.push_back(commit.Finish().ValueOrDie());
  }
  const auto batch = arrow::RecordBatch::Make(arrow::schema(fields), changes.size(), arrays);
  return arrow::RecordBatchReader::Make({batch}, batch->schema()).ValueOrDie();
}

struct Seen {
  RowStatus status;
  int64_t value = 0;
  bool operator==(const Seen&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << RowStatusName(seen.status) << " " << seen.value;
}

/// What every store must do alike, whatever keeps its bytes.
class OnlineStoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  OnlineStoreTest()
      : directory_(std::filesystem::temp_directory_path() / ("tercet-online-" + NewUuid())) {
    Open();
  }

  /// One server for all tests of a store; each has a prefix of its own.
  static RedisAddress Address(bool cluster) {
    if (cluster) {
      static TestCluster nodes;
      return nodes.address();
    }
    static TestRedis server;
    return server.address();
  }
  ~OnlineStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Open(const OnlineOptions& options = {}) {
    store_.reset();
    const std::string kind = GetParam();
    auto opened = kind == "rocksdb"
                      ? OnlineStore::Open(directory_, &clock_, options)
                      : RedisStore::Open(Address(kind == "cluster"), "test:" + directory_, &clock_);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = std::move(opened).ValueUnsafe();
  }

  std::vector<Seen> Read(const std::vector<int64_t>& ids, const std::vector<int64_t>& times,
                         std::optional<int64_t> ttl_us = std::nullopt) {
    arrow::Int64Builder id;
    EXPECT_TRUE(id.AppendValues(ids).ok());
    const auto keys = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}),
                                               ids.size(), {id.Finish().ValueOrDie()});
    const auto answers = store_->Read({{.group = {"weather", 1},
                                        .keys = keys,
                                        .event_times_us = times,
                                        .columns = {"value"},
                                        .ttl_us = ttl_us}});
    EXPECT_TRUE(answers.ok()) << answers.status().ToString();
    std::vector<Seen> seen;
    const auto& values = static_cast<const arrow::Int64Array&>(*(*answers)[0].rows->column(0));
    for (size_t i = 0; i < ids.size(); ++i) {
      const RowStatus status = (*answers)[0].status[i];
      EXPECT_EQ(values.IsValid(i), status == RowStatus::kPresent);
      seen.push_back({status, values.IsValid(i) ? values.Value(i) : 0});
    }
    return seen;
  }

  Seen ReadOne(int64_t id, int64_t time) { return Read({id}, {time})[0]; }

  std::vector<std::shared_ptr<arrow::RecordBatch>> Apply(const std::vector<Change>& changes,
                                                         int64_t version) {
    auto pending = store_->Apply({"weather", 1}, Rows(changes, true), version);
    EXPECT_TRUE(pending.ok()) << pending.status().ToString();
    return *pending;
  }

  ManualClock clock_{kNow};
  const std::string directory_;
  std::unique_ptr<OnlineStore> store_;
};

const Seen kMissing{RowStatus::kMissing};
const Seen kExpired{RowStatus::kExpired};
const Seen kUnavailable{RowStatus::kUnavailable};
Seen Present(int64_t value) { return {RowStatus::kPresent, value}; }

TEST_P(OnlineStoreTest, NewestEventTimeWinsWhateverTheOrder) {
  ASSERT_TRUE(store_->Define(Weather()).ok());
  EXPECT_EQ(ReadOne(1, kNow), kUnavailable);  // Nothing was applied yet.
  Apply({{"insert", 1, 20, 200, 1}, {"insert", 1, 10, 100, 1}}, 1);
  Apply({{"insert", 1, 15, 150, 2}}, 2);
  EXPECT_EQ(ReadOne(1, kNow), Present(200));
  EXPECT_EQ(ReadOne(1, 19), Present(150));
  EXPECT_EQ(ReadOne(1, 10), Present(100));
  EXPECT_EQ(ReadOne(1, 9), kMissing);
  EXPECT_EQ(ReadOne(2, kNow), kMissing);
  EXPECT_EQ(*store_->AppliedVersion({"weather", 1}), 2);
}

TEST_P(OnlineStoreTest, TtlOfTheGroupAndOfTheRequest) {
  FeatureGroupDefinition definition = Weather();
  definition.ttl_us = 5;
  ASSERT_TRUE(store_->Define(definition).ok());
  Apply({{"insert", 1, 20, 200, 1}}, 1);
  EXPECT_EQ(ReadOne(1, 25), Present(200));
  EXPECT_EQ(ReadOne(1, 26), kExpired);
  EXPECT_EQ(Read({1}, {26}, 6)[0], Present(200));
  EXPECT_EQ(Read({1}, {22}, 1)[0], kExpired);
}

TEST_P(OnlineStoreTest, DeletesBringThePreviousRowBack) {
  ASSERT_TRUE(store_->Define(Weather()).ok());
  std::vector<Change> inserts;
  for (int64_t t = 1; t <= 10; ++t) inserts.push_back({"insert", 1, t, t * 10, 1});
  EXPECT_TRUE(Apply(inserts, 1).empty());
  EXPECT_EQ(ReadOne(1, 6), kUnavailable);
  EXPECT_EQ(ReadOne(1, 7), Present(70));
  EXPECT_TRUE(Apply({{"delete", 1, 10, 100, 2}}, 2).empty());
  EXPECT_EQ(ReadOne(1, kNow), Present(90));
  const auto pending =
      Apply({{"delete", 1, 9, 90, 3}, {"delete", 1, 8, 80, 3}, {"delete", 1, 7, 70, 3}}, 3);
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(ReadOne(1, kNow), kUnavailable);
  Open();  // A crash before the refill.
  const auto again = *store_->PendingRefills({"weather", 1});
  ASSERT_EQ(again.size(), 1u);
  ASSERT_TRUE(again[0]->Equals(*pending[0]));
  inserts.resize(6);
  ASSERT_TRUE(store_->Refill({"weather", 1}, again[0], Rows(inserts, false)).ok());
  EXPECT_TRUE(store_->PendingRefills({"weather", 1})->empty());
  EXPECT_EQ(ReadOne(1, kNow), Present(60));
  EXPECT_EQ(ReadOne(1, 3), Present(30));
  EXPECT_EQ(ReadOne(1, 2), kUnavailable);
}

TEST_P(OnlineStoreTest, AnUpdateInAnyOrderOfImagesIsNeverGone) {
  ASSERT_TRUE(store_->Define(Weather()).ok());
  Apply({{"insert", 1, 5, 50, 1}, {"insert", 2, 5, 50, 1}}, 1);
  Apply({{"update_postimage", 1, 5, 51, 2},
         {"update_preimage", 1, 5, 50, 2},
         {"delete", 2, 5, 50, 2},
         {"insert", 2, 5, 52, 2}},
        2);
  EXPECT_EQ(ReadOne(1, kNow), Present(51));
  EXPECT_EQ(ReadOne(2, kNow), Present(52));
  // A foreign update may change the event time.
  Apply({{"update_preimage", 1, 5, 51, 3}, {"update_postimage", 1, 4, 40, 3}}, 3);
  EXPECT_EQ(ReadOne(1, kNow), Present(40));
}

TEST_P(OnlineStoreTest, LoadSwitchesAtOnceAndForgetsTheOldRows) {
  ASSERT_TRUE(store_->Define(Weather()).ok());
  ASSERT_TRUE(store_->Load({"weather", 1}, Rows({{"", 1, 5, 50}, {"", 3, 5, 51}}, false), 4).ok());
  EXPECT_EQ(ReadOne(1, kNow), Present(50));
  ASSERT_TRUE(store_->Load({"weather", 1}, Rows({{"", 1, 6, 60}, {"", 2, 5, 61}}, false), 5).ok());
  EXPECT_EQ(Read({1, 2, 3}, {kNow, kNow, kNow}),
            (std::vector<Seen>{Present(60), Present(61), kMissing}));
  Open();
  EXPECT_EQ(Read({1, 2, 3}, {kNow, kNow, kNow}),
            (std::vector<Seen>{Present(60), Present(61), kMissing}));
  EXPECT_EQ(*store_->AppliedVersion({"weather", 1}), 5);
  ASSERT_TRUE(store_->Drop({"weather", 1}).ok());
  EXPECT_EQ(*store_->AppliedVersion({"weather", 1}), -1);
  ASSERT_TRUE(store_->Define(Weather()).ok());
  EXPECT_EQ(ReadOne(1, kNow), kUnavailable);
  Apply({}, 0);
  EXPECT_EQ(ReadOne(1, kNow), kMissing);
}

TEST_P(OnlineStoreTest, GroupsWithoutEventTimeHaveOneRowAKey) {
  FeatureGroupDefinition definition = Weather();
  definition.event_time.clear();
  definition.schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", arrow::int64())});
  ASSERT_TRUE(store_->Define(definition).ok());
  const Ref group{"weather", 1};
  ASSERT_TRUE(store_->Apply(group, Rows({{"insert", 1, 0, 10, 1}}, true, false), 1).ok());
  ASSERT_TRUE(
      store_
          ->Apply(group,
                  Rows({{"update_preimage", 1, 0, 10, 2}, {"update_postimage", 1, 0, 11, 2}}, true,
                       false),
                  2)
          .ok());
  EXPECT_EQ(ReadOne(1, INT64_MIN), Present(11));
  ASSERT_TRUE(store_->Apply(group, Rows({{"delete", 1, 0, 11, 3}}, true, false), 3).ok());
  EXPECT_EQ(ReadOne(1, kNow), kMissing);
}

TEST_P(OnlineStoreTest, AddedColumnsAndChangedTypes) {
  ASSERT_TRUE(store_->Define(Weather()).ok());
  Apply({{"insert", 1, 5, 50, 1}}, 1);
  FeatureGroupDefinition wider = Weather();
  wider.schema = wider.schema->AddField(1, arrow::field("extra", arrow::utf8())).ValueOrDie();
  ASSERT_TRUE(store_->Define(wider).ok());
  Open();
  EXPECT_EQ(ReadOne(1, kNow), Present(50));
  Apply({{"insert", 1, 6, 60, 2}}, 2);
  EXPECT_EQ(ReadOne(1, kNow), Present(60));
  EXPECT_EQ(ReadOne(1, 5), Present(50));
  FeatureGroupDefinition changed = Weather();
  changed.schema = changed.schema->SetField(2, arrow::field("value", arrow::utf8())).ValueOrDie();
  EXPECT_TRUE(store_->Define(changed).IsTypeError());
}

TEST_P(OnlineStoreTest, WrongRequestsAreRefused) {
  ASSERT_TRUE(store_->Define(Weather()).ok());
  const auto keys = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::utf8())}), 1,
      {arrow::MakeArrayFromScalar(arrow::StringScalar("x"), 1).ValueOrDie()});
  const auto read = [&](const std::string& group, const std::string& column) {
    return store_
        ->Read({{.group = {group, 1}, .keys = keys, .event_times_us = {0}, .columns = {column}}})
        .status();
  };
  EXPECT_TRUE(read("wether", "value").IsKeyError());
  EXPECT_TRUE(read("weather", "value").IsTypeError());
  EXPECT_TRUE(store_->Apply({"wether", 1}, Rows({}, true), 1).status().IsKeyError());
}

TEST_P(OnlineStoreTest, AFullDiskRefusesWritesAndIsOfUseWhenThereIsRoom) {
  if (std::string(GetParam()) != "rocksdb") return;  // a Redis has limits of its own
  ASSERT_TRUE(store_->Define(Weather()).ok());
  Apply({{"insert", 1, 5, 50, 1}}, 1);
  Open({.spare_disk_bytes = uint64_t{1} << 60});
  const Status refused =
      store_->Apply({"weather", 1}, Rows({{"insert", 1, 6, 60, 2}}, true), 2).status();
  EXPECT_TRUE(refused.IsIOError());
  EXPECT_NE(refused.message().find("bytes left"), std::string::npos) << refused;
  EXPECT_FALSE(store_->Load({"weather", 1}, Rows({{"", 1, 6, 60}}, false), 2).ok());
  EXPECT_EQ(Read({1}, {9}), (std::vector<Seen>{{RowStatus::kPresent, 50}}));
  EXPECT_EQ(*store_->AppliedVersion({"weather", 1}), 1);
  Open();
  Apply({{"insert", 1, 6, 60, 2}}, 2);
  EXPECT_EQ(Read({1}, {9}), (std::vector<Seen>{{RowStatus::kPresent, 60}}));
}

/// Random histories against the definition: the newest row at or before the read's time.
class History {
 public:
  std::map<int64_t, std::map<int64_t, int64_t>> rows;  // id → time → value

  Seen At(int64_t id, int64_t time, std::optional<int64_t> ttl_us) const {
    const auto key = rows.find(id);
    if (key == rows.end()) return kMissing;
    auto row = key->second.upper_bound(time);
    if (row == key->second.begin()) return kMissing;
    --row;
    return Visible(row->first, time, ttl_us) ? Present(row->second) : kExpired;
  }

  std::vector<Change> All(std::optional<int64_t> of = std::nullopt) const {
    std::vector<Change> all;
    for (const auto& [id, times] : rows) {
      if (of && *of != id) continue;
      for (const auto& [time, value] : times) all.push_back({"", id, time, value});
    }
    return all;
  }
};

TEST_P(OnlineStoreTest, EqualsTheDefinitionOrIsUnavailable) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int64_t n) { return static_cast<int64_t>(random() % n); };
    clock_.Set(100);
    FeatureGroupDefinition definition = Weather();
    if (seed % 2 == 0) definition.ttl_us = 40;
    ASSERT_TRUE(store_->Drop(definition.ref()).ok());
    ASSERT_TRUE(store_->Define(definition).ok());
    History history;
    Apply({}, 0);
    int64_t commit = 0, value = 0;
    for (int round = 0; round < 150; ++round) {
      std::vector<Change> feed;
      for (int64_t commits = 1 + pick(3); commits > 0; --commits) {
        ++commit;
        std::vector<Change> pre, post;
        std::set<std::pair<int64_t, int64_t>> touched;
        for (int64_t n = pick(8); n > 0; --n) {
          // At times around now, which moves: late, ahead, and on one another.
          const int64_t id = pick(5), time = clock_.NowMicros() - 60 + pick(80);
          if (!touched.emplace(id, time).second) continue;
          auto& times = history.rows[id];
          const auto old = times.find(time);
          const bool removal = pick(3) == 0;
          if (old != times.end()) {
            pre.push_back({removal ? "delete" : "update_preimage", id, time, old->second, commit});
          }
          if (removal) {
            times.erase(time);
          } else {
            post.push_back(
                {old == times.end() ? "insert" : "update_postimage", id, time, ++value, commit});
            times[time] = value;
          }
        }
        if (pick(4) == 0) {
          const int64_t id = pick(5);  // All of a key.
          for (const auto& [time, old] : history.rows[id]) {
            if (touched.contains({id, time})) continue;
            pre.push_back({"delete", id, time, old, commit});
          }
          std::erase_if(history.rows[id], [&](const auto& row) {
            return !touched.contains({id, row.first});
          });
        }
        if (pick(2) == 0) std::swap(pre, post);
        feed.insert(feed.end(), pre.begin(), pre.end());
        feed.insert(feed.end(), post.begin(), post.end());
      }
      if (pick(20) == 0) {
        ASSERT_TRUE(store_->Load(definition.ref(), Rows(history.All(), false), commit).ok());
      } else {
        std::shuffle(feed.begin(), feed.end(), random);
        std::stable_sort(feed.begin(), feed.end(),
                         [](const Change& a, const Change& b) { return a.commit < b.commit; });
        auto pending = Apply(feed, commit);
        if (pick(3) == 0) pending = Apply(feed, commit);
        if (pick(10) == 0) Open();
        for (const auto& keys : pending) {
          std::vector<Change> rows;
          const auto& ids = static_cast<const arrow::Int64Array&>(*keys->column(0));
          for (int64_t i = 0; i < ids.length(); ++i) {
            const auto of = history.All(ids.Value(i));
            rows.insert(rows.end(), of.begin(), of.end());
          }
          ASSERT_TRUE(store_->Refill(definition.ref(), keys, Rows(rows, false)).ok());
        }
      }
      std::vector<int64_t> ids, times;
      for (int i = 0; i < 40; ++i) {
        ids.push_back(pick(6));
        times.push_back(i < 6 ? clock_.NowMicros() : clock_.NowMicros() - 100 + pick(160));
      }
      const std::vector<Seen> seen = Read(ids, times);
      for (size_t i = 0; i < ids.size(); ++i) {
        if (seen[i] == kUnavailable) {
          EXPECT_LT(times[i], clock_.NowMicros()) << "what is present or ahead is always kept";
          continue;
        }
        ASSERT_EQ(seen[i], history.At(ids[i], times[i], definition.ttl_us))
            << "seed " << seed << " round " << round << " id " << ids[i] << " time " << times[i];
      }
      clock_.Advance(pick(10));
    }
  }
}

TEST_P(OnlineStoreTest, ReadersSeeWholeLoadsWhileOthersWrite) {
  ASSERT_TRUE(store_->Define(Weather()).ok());
  std::vector<int64_t> ids, times;
  for (int64_t id = 0; id < 50; ++id) {
    ids.push_back(id);
    times.push_back(kNow);
  }
  const auto load = [&](int64_t version) {
    std::vector<Change> rows;
    for (const int64_t id : ids) rows.push_back({"", id, 5, version});
    return store_->Load({"weather", 1}, Rows(rows, false), version);
  };
  ASSERT_TRUE(load(1).ok());
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const std::vector<Seen> seen = Read(ids, times);
      for (const Seen& one : seen) ASSERT_EQ(one, seen[0]);
      ASSERT_EQ(seen[0].status, RowStatus::kPresent);
    }
  });
  for (int64_t version = 2; version < 12; ++version) ASSERT_TRUE(load(version).ok());
  done = true;
  reader.join();
}

TEST_P(OnlineStoreTest, AReadOfSeveralGroupsIsOfOneMoment) {
  FeatureGroupDefinition wind = Weather();
  wind.name = "wind";
  ASSERT_TRUE(store_->Define(Weather()).ok());
  ASSERT_TRUE(store_->Define(wind).ok());
  arrow::Int64Builder id;
  ASSERT_TRUE(id.Append(1).ok());
  const auto keys = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 1,
                                             {id.Finish().ValueOrDie()});
  const auto apply = [&](const std::string& group, int64_t version) {
    const auto rows = Rows({{"insert", 1, 5, version, version}}, true);
    ASSERT_TRUE(store_->Apply({group, 1}, rows, version).ok());
  };
  apply("weather", 1);
  apply("wind", 1);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    int64_t last = 0;
    while (!done) {
      const auto answers = store_->Read({{{"wind", 1}, keys, {kNow}, {"value"}, {}, {}},
                                         {{"weather", 1}, keys, {kNow}, {"value"}, {}, {}}});
      ASSERT_TRUE(answers.ok()) << answers.status().ToString();
      const auto value = [&](size_t i) {
        return static_cast<const arrow::Int64Array&>(*(*answers)[i].rows->column(0)).Value(0);
      };
      // Weather is written first: it is ahead by the commit that wind does not have yet.
      ASSERT_GE(value(1), value(0));
      ASSERT_LE(value(1), value(0) + 1);
      ASSERT_GE(value(0), last);
      ASSERT_EQ((*answers)[1].commits[0], value(1));
      ASSERT_LE((*answers)[1].version, value(1));
      last = value(0);
    }
  });
  for (int64_t version = 2; version < 300; ++version) {
    apply("weather", version);
    apply("wind", version);
  }
  done = true;
  reader.join();
}

INSTANTIATE_TEST_SUITE_P(, OnlineStoreTest, ::testing::Values("rocksdb", "redis", "cluster"),
                         [](const auto& info) { return std::string(info.param); });

TEST(RocksStoreTest, ASecondOpenIsRefused) {
  const std::string directory =
      std::filesystem::temp_directory_path() / ("tercet-online-" + NewUuid());
  const auto store = OnlineStore::Open(directory, SystemClock());
  EXPECT_TRUE(store.ok());
  EXPECT_TRUE(OnlineStore::Open(directory, SystemClock()).status().IsIOError());
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace tercet
