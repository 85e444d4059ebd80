#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include <arrow/api.h>

#include "base/id.h"
#include "compute/sort_key.h"
#include "online/online_store.h"

namespace tercet {
namespace {

constexpr int64_t kNow = 1'000'000;

/// A group in RocksDB: even ids below 1000, each a millisecond after the one before it.
class ReadColumns : public ::testing::Test {
 protected:
  ReadColumns()
      : directory_(std::filesystem::temp_directory_path() / ("tercet-columns-" + NewUuid())),
        store_(OnlineStore::Open(directory_, &clock_).ValueOrDie()) {
    const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO);
    FeatureGroupDefinition definition;
    definition.name = "weather";
    definition.primary_key = {"id"};
    definition.event_time = "time";
    definition.online = true;
    definition.ttl_us = 600'000;
    definition.schema =
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("time", micros),
                       arrow::field("value", arrow::int64()),
                       arrow::field("share", arrow::float32())});
    EXPECT_TRUE(store_->Define(definition).ok());
    arrow::Int64Builder id, value;
    arrow::TimestampBuilder time(micros, arrow::default_memory_pool());
    arrow::FloatBuilder share;
    for (int64_t i = 0; i < 1000; i += 2) {
      EXPECT_TRUE(id.Append(i).ok() && time.Append(i * 1000).ok() && value.Append(i + 7).ok());
      EXPECT_TRUE((i == 996 ? share.AppendNull() : share.Append(static_cast<float>(i))).ok());
    }
    const auto batch = arrow::RecordBatch::Make(
        definition.schema, 500,
        arrow::ArrayVector{id.Finish().ValueOrDie(), time.Finish().ValueOrDie(),
                           value.Finish().ValueOrDie(), share.Finish().ValueOrDie()});
    EXPECT_TRUE(
        store_->Load({"weather", 1}, arrow::RecordBatchReader::Make({batch}).ValueOrDie(), 0).ok());
  }
  ~ReadColumns() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  static KeyList KeysOf(const std::vector<int64_t>& ids) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.AppendValues(ids).ok());
    const auto sorted = SortKeys::Encode({builder.Finish().ValueOrDie()}).ValueOrDie();
    KeyList keys;
    for (size_t i = 0; i < ids.size(); ++i) {
      keys.bytes += sorted.ToBytes(static_cast<int64_t>(i));
      keys.ends.push_back(keys.bytes.size());
    }
    return keys;
  }

  struct Filled {
    ColumnsRead read;
    std::vector<int64_t> values;
    std::vector<float> shares;
    std::vector<uint8_t> status;  // of values, then of shares
  };

  Filled Read(const KeyList& keys, uint32_t width = 8) {
    const size_t n = keys.size();
    Filled filled{.read = ColumnsRead::kElsewhere,
                  .values = std::vector<int64_t>(n, -1),
                  .shares = std::vector<float>(n, -1),
                  .status = std::vector<uint8_t>(2 * n, 0)};
    const CellColumns group{.group = {"weather", 1}, .columns = {"value", "share"}, .ttl_us = {}};
    const KeyList* const lists[] = {&keys};
    const ColumnTarget targets[] = {{.values = reinterpret_cast<char*>(filled.values.data()),
                                     .status = filled.status.data(),
                                     .width = width,
                                     .null_bits = 42},
                                    {.values = reinterpret_cast<char*>(filled.shares.data()),
                                     .status = filled.status.data() + n,
                                     .width = 4,
                                     .null_bits = 0}};
    const auto read = store_->ReadColumns({&group, 1}, lists, kNow, targets);
    EXPECT_TRUE(read.ok()) << read.status().ToString();
    filled.read = *read;
    return filled;
  }

  ManualClock clock_{kNow};
  const std::string directory_;
  std::unique_ptr<OnlineStore> store_;
};

TEST_F(ReadColumns, AnswersAsReadDoes) {
  const std::vector<std::vector<int64_t>> asked = {{900, 998, 500}, {3, 2, 900, 998}, {996}, {901}};
  for (int round = 0; round < 3; ++round) {  // the first fills the cache
    for (const std::vector<int64_t>& ids : asked) {
      arrow::Int64Builder builder;
      ASSERT_TRUE(builder.AppendValues(ids).ok());
      const auto keys =
          arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}),
                                   static_cast<int64_t>(ids.size()),
                                   arrow::ArrayVector{builder.Finish().ValueOrDie()});
      const auto answers =
          store_->Read({{.group = {"weather", 1},
                         .keys = keys,
                         .event_times_us = std::vector<int64_t>(ids.size(), kNow),
                         .columns = {"value", "share"},
                         .ttl_us = std::nullopt}});
      ASSERT_TRUE(answers.ok()) << answers.status().ToString();
      const auto& values = static_cast<const arrow::Int64Array&>(*(*answers)[0].rows->column(0));
      const auto& shares = static_cast<const arrow::FloatArray&>(*(*answers)[0].rows->column(1));
      const Filled filled = Read(KeysOf(ids));
      EXPECT_EQ((*answers)[0].status.back(), ids.back() % 2 == 0 ? RowStatus::kPresent
                                             : RowStatus::kMissing);
      bool whole = true;
      for (size_t i = 0; i < ids.size(); ++i) {
        const auto row = static_cast<int64_t>(i);
        const auto status = static_cast<uint8_t>((*answers)[0].status[i]);
        EXPECT_EQ(filled.status[i], status) << ids[i];
        EXPECT_EQ(filled.values[i], values.IsValid(row) ? values.Value(row) : 42) << ids[i];
        EXPECT_EQ(filled.status[ids.size() + i],
                  status == 0 && shares.IsNull(row) ? kNullValue : status);
        EXPECT_EQ(filled.shares[i], shares.IsValid(row) ? shares.Value(row) : 0) << ids[i];
        whole &= values.IsValid(row) && shares.IsValid(row);
      }
      EXPECT_EQ(filled.read, whole ? ColumnsRead::kWhole : ColumnsRead::kWithGaps);
    }
  }
}

TEST_F(ReadColumns, ANullKeyIsMissing) {
  KeyList keys = KeysOf({900});
  keys.ends.push_back(keys.bytes.size());
  const Filled filled = Read(keys);
  EXPECT_EQ(filled.read, ColumnsRead::kWithGaps);
  EXPECT_EQ(filled.values, (std::vector<int64_t>{907, 42}));
  EXPECT_EQ(filled.status, (std::vector<uint8_t>{0, 1, 0, 1}));
}

TEST_F(ReadColumns, WhatDoesNotFitIsAnsweredElsewhere) {
  EXPECT_EQ(Read(KeysOf({900}), 4).read, ColumnsRead::kElsewhere);
  const KeyList keys = KeysOf({900});
  const KeyList* const lists[] = {&keys};
  int64_t value = 0;
  uint8_t status = 0;
  const ColumnTarget target{
      .values = reinterpret_cast<char*>(&value), .status = &status, .width = 8};
  for (const CellColumns& group :
       {CellColumns{.group = {"weather", 1}, .columns = {"valeu"}, .ttl_us = {}},
        CellColumns{.group = {"wether", 1}, .columns = {"value"}, .ttl_us = {}}}) {
    EXPECT_EQ(store_->ReadColumns({&group, 1}, lists, kNow, {&target, 1}).ValueOrDie(),
              ColumnsRead::kElsewhere);
  }
}

}  // namespace
}  // namespace tercet
