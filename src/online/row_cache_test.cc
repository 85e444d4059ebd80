#include "online/row_cache.h"

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "compute/cell_key.h"
#include "online/online_store.h"

namespace tercet {
namespace {

using Found = RowCache::Found;

class RowCacheTest : public ::testing::Test {
 protected:
  static Found Find(RowCache* cache, const std::string& key, std::string* value) {
    value->clear();
    return cache->Find(key, cache->Prepare(key), value);
  }
  void Fill(RowCache* cache, const std::string& key, std::optional<std::string_view> value) {
    cache->Fill(key, cache->Prepare(key), value, writes_, writes_.count());
  }

  RowWrites writes_;
  std::string value_;
};

TEST_F(RowCacheTest, KeepsValuesAndThatThereIsNone) {
  RowCache cache(1 << 20);
  EXPECT_EQ(Find(&cache, "a", &value_), Found::kUnknown);
  Fill(&cache, "a", "one");
  Fill(&cache, "b", std::nullopt);
  Fill(&cache, "c", "");
  EXPECT_EQ(Find(&cache, "a", &value_), Found::kValue);
  EXPECT_EQ(value_, "one");
  EXPECT_EQ(Find(&cache, "b", &value_), Found::kMissing);
  EXPECT_EQ(Find(&cache, "c", &value_), Found::kValue);
  EXPECT_EQ(value_, "");

  writes_.Begin();
  cache.Replace("a", std::nullopt);
  cache.Replace("b", "two");
  cache.Replace("unread", "three");
  cache.Forget("c");
  writes_.End();
  EXPECT_EQ(Find(&cache, "a", &value_), Found::kMissing);
  EXPECT_EQ(Find(&cache, "b", &value_), Found::kValue);
  EXPECT_EQ(value_, "two");
  EXPECT_EQ(Find(&cache, "unread", &value_), Found::kUnknown);
  EXPECT_EQ(Find(&cache, "c", &value_), Found::kUnknown);
}

TEST_F(RowCacheTest, RefusesWhatAWriteMayHaveMadeStale) {
  RowCache cache(1 << 20);
  const uint64_t before = writes_.count();
  writes_.Begin();
  cache.Fill("a", cache.Prepare("a"), "old", writes_, before);
  cache.Fill("a", cache.Prepare("a"), "new", writes_, writes_.count());
  writes_.End();
  cache.Fill("a", cache.Prepare("a"), "old", writes_, before);
  EXPECT_EQ(Find(&cache, "a", &value_), Found::kUnknown);
}

TEST_F(RowCacheTest, ForgetsTogetherWhatIsKeptUnderOneHash) {
  RowCache cache(1 << 20);
  RowWrites others;
  const uint64_t hash = cache.Prepare("entity");
  const auto fill = [&](const std::string& key, uint64_t others_seen) {
    const SeenWrites seen[] = {{&writes_, writes_.count()}, {&others, others_seen}};
    cache.Fill(key, hash, key, seen);
  };
  const auto find = [&](const std::string& key) { return cache.Find(key, hash, &value_); };
  const uint64_t before = others.count();
  others.Begin();
  fill("late", before);
  fill("early", others.count());
  others.End();
  EXPECT_EQ(find("late"), Found::kUnknown) << "one of its groups was written";
  EXPECT_EQ(find("early"), Found::kUnknown);
  fill("one", others.count());
  fill("two", others.count());
  Fill(&cache, "entity of another", "kept");
  EXPECT_EQ(find("one"), Found::kValue);
  EXPECT_EQ(find("two"), Found::kValue);
  cache.ForgetAll(hash);
  EXPECT_EQ(find("one"), Found::kUnknown);
  EXPECT_EQ(find("two"), Found::kUnknown);
  EXPECT_EQ(Find(&cache, "entity of another", &value_), Found::kValue);
}

TEST_F(RowCacheTest, IsBoundedAndKeepsWhatIsRead) {
  constexpr size_t kCapacity = 1 << 20;
  RowCache cache(kCapacity);
  const std::string value(100, 'v');
  Fill(&cache, "hot", value);
  for (int i = 0; i < 50'000; ++i) {
    Fill(&cache, "cold" + std::to_string(i), value);
    ASSERT_EQ(Find(&cache, "hot", &value_), Found::kValue) << i;
  }
  EXPECT_LE(cache.bytes(), kCapacity);
  EXPECT_GT(cache.bytes(), kCapacity / 2);
  EXPECT_FALSE(cache.HasRoom());
  EXPECT_EQ(Find(&cache, "cold0", &value_), Found::kUnknown);
  Fill(&cache, "huge", std::string(kCapacity, 'h'));
  EXPECT_EQ(Find(&cache, "huge", &value_), Found::kUnknown) << "it would push all others out";
  RowCache none(0);
  Fill(&none, "a", "one");
  EXPECT_EQ(Find(&none, "a", &value_), Found::kUnknown);
}

/// Two groups whose rows writers change together, read through caches that hold all, some or none
/// of them.
class CachedStore : public ::testing::TestWithParam<size_t> {
 protected:
  static constexpr int64_t kIds = 64;
  static constexpr int64_t kNow = 1'000'000;

  CachedStore()
      : directory_(std::filesystem::temp_directory_path() / ("tercet-cached-" + NewUuid())),
        store_(
            OnlineStore::Open(directory_, &clock_, {.row_cache_bytes = GetParam()}).ValueOrDie()) {
    for (const char* name : {"first", "second"}) {
      FeatureGroupDefinition group;
      group.name = name;
      group.primary_key = {"id"};
      group.online = true;
      group.schema = schema_;
      EXPECT_TRUE(store_->Define(group).ok());
    }
  }
  ~CachedStore() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  /// Sets the values of all ids of a group in one atomic write; of odd versions, those divisible
  /// by three are deleted.
  void Write(const std::string& group, int64_t version) {
    arrow::Int64Builder id, value, commit;
    arrow::StringBuilder type;
    for (int64_t i = 0; i < kIds; ++i) {
      const bool gone = version % 2 == 1 && i % 3 == 0;
      EXPECT_TRUE(id.Append(i).ok() && value.Append(version).ok() && commit.Append(version).ok() &&
                  type.Append(gone ? "delete" : "insert").ok());
    }
    auto fields = schema_->fields();
    fields.push_back(arrow::field("_change_type", arrow::utf8()));
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema(fields), kIds,
                                 {id.Finish().ValueOrDie(), value.Finish().ValueOrDie(),
                                  type.Finish().ValueOrDie(), commit.Finish().ValueOrDie()});
    const auto pending =
        store_->Apply({group, 1}, *arrow::RecordBatchReader::Make({batch}), version);
    ASSERT_TRUE(pending.ok()) << pending.status().ToString();
  }

  /// The version that all given ids of both groups have; fails when a group's differ.
  void ReadOnce(std::mt19937_64* random, int64_t* first, int64_t* second) {
    arrow::Int64Builder builder;
    const auto count = static_cast<int64_t>((*random)() % 8 + 2);
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int64_t>((*random)() % kIds));
    ASSERT_TRUE(builder.AppendValues(ids).ok());
    const auto keys = arrow::RecordBatch::Make(arrow::schema({schema_->field(0)}), count,
                                               {builder.Finish().ValueOrDie()});
    std::vector<RowsRequest> requests;
    for (const char* name : {"first", "second"}) {
      requests.push_back({.group = {name, 1},
                          .keys = keys,
                          .event_times_us = std::vector<int64_t>(ids.size(), kNow),
                          .columns = {"value"},
                          .ttl_us = std::nullopt});
    }
    const auto answers = store_->Read(requests);
    ASSERT_TRUE(answers.ok()) << answers.status().ToString();
    int64_t* const versions[] = {first, second};
    for (size_t g = 0; g < 2; ++g) {
      const auto& values = static_cast<const arrow::Int64Array&>(*(*answers)[g].rows->column(0));
      *versions[g] = -1;
      for (int64_t i = 0; i < count; ++i) {
        if (values.IsNull(i)) continue;
        if (*versions[g] < 0) *versions[g] = values.Value(i);
        ASSERT_EQ(values.Value(i), *versions[g]) << "a mixture within a group";
      }
      if (*versions[g] < 0) continue;
      for (int64_t i = 0; i < count; ++i) {
        const bool gone = *versions[g] % 2 == 1 && ids[static_cast<size_t>(i)] % 3 == 0;
        ASSERT_EQ(values.IsNull(i), gone) << "a deleted row of another version";
      }
    }
  }

  /// The versions that one id of both groups has, of a vector, which is mostly in memory; −1 where
  /// its row was deleted.
  void ReadVectorOnce(std::mt19937_64* random, int64_t* first, int64_t* second) {
    static const VectorRead read(
        {{{"first", 1}, {"value"}, std::nullopt}, {{"second", 1}, {"value"}, std::nullopt}});
    const auto id = static_cast<int64_t>((*random)() % kIds);
    std::string key;
    constexpr arrow::Type::type kKey[] = {arrow::Type::INT64};
    const Cell cell{reinterpret_cast<const char*>(&id), sizeof(id)};
    AppendCellKey(kKey, {&cell, 1}, &key);
    CellsAnswer answer;
    const auto answered = store_->ReadVectorCells(read, key, kNow, &answer);
    ASSERT_TRUE(answered.ok()) << answered.status().ToString();
    ASSERT_TRUE(*answered);
    int64_t* const versions[] = {first, second};
    for (size_t g = 0; g < 2; ++g) {
      const bool gone = answer.status[g] == RowStatus::kMissing;
      ASSERT_EQ(gone, answer.cells[g].null());
      *versions[g] = gone ? -1 : answer.cells[g].As<int64_t>();
      ASSERT_TRUE(gone ? id % 3 == 0 : *versions[g] % 2 == 0 || id % 3 != 0);
    }
  }

  const std::shared_ptr<arrow::Schema> schema_ =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", arrow::int64())});
  ManualClock clock_{kNow};
  const std::string directory_;
  std::unique_ptr<OnlineStore> store_;
};

TEST_P(CachedStore, ReadersNeverMixWhileWritersWrite) {
  // The second group follows the first, so a snapshot has it at the same version or one behind.
  Write("first", 1);
  Write("second", 1);
  std::atomic<bool> done = false;
  std::atomic<int64_t> written = 1;
  std::vector<std::thread> readers;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      int64_t read = 0;  // by this thread: it is never shown less again, in whatever way it asks
      while (!done && !HasFatalFailure()) {
        const int64_t at_least = std::max<int64_t>(read, written);
        int64_t first = -1, second = -1;
        if (random() % 2 == 0) {
          ReadOnce(&random, &first, &second);
        } else {
          ReadVectorOnce(&random, &first, &second);
        }
        if (first < 0 || second < 0) continue;
        ASSERT_GE(first, at_least) << "a value from before a write that had returned";
        ASSERT_GE(second, at_least);
        read = second;  // which the first group's has reached
        ASSERT_TRUE(first == second || first == second + 1) << first << " beside " << second;
      }
    });
  }
  for (int64_t version = 2; version < 200; ++version) {
    Write("first", version);
    Write("second", version);
    written = version;
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

INSTANTIATE_TEST_SUITE_P(Sizes, CachedStore, ::testing::Values(0, 64 * 200, 1 << 20));

}  // namespace
}  // namespace tercet
