#include "feature/ingest.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include "base/id.h"
#include "base/parallel.h"
#include "catalog/catalog.h"
#include "compute/visibility.h"

namespace tercet {
namespace {

constexpr int64_t kDay = 86'400'000'000;
constexpr int64_t kNow = 20'000 * kDay;

using Rows = std::shared_ptr<arrow::RecordBatchReader>;

std::shared_ptr<arrow::DataType> Micros() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

Rows FromJson(const arrow::FieldVector& fields, const std::string& text) {
  const auto batch = arrow::json::ArrayFromJSONString(arrow::struct_(fields), text).ValueOrDie();
  const auto rows =
      arrow::RecordBatch::FromStructArray(std::static_pointer_cast<arrow::StructArray>(batch))
          .ValueOrDie();
  return arrow::RecordBatchReader::Make({rows}, rows->schema()).ValueOrDie();
}

class IngestTest : public ::testing::Test {
 protected:
  IngestTest()
      : directory_(std::filesystem::temp_directory_path() / ("tercet-ingest-" + NewUuid())) {
    InitializeArrow();
    std::filesystem::create_directories(directory_);
    catalog_ = Catalog::Open(directory_ + "/catalog.sqlite", &clock_).ValueOrDie();
    tables_ =
        std::make_unique<FeatureTables>(catalog_.get(), LocalFileSystem(), directory_, &clock_);
    Open();
  }
  ~IngestTest() override {
    Close();
    std::filesystem::remove_all(directory_);
  }

  void Open() {
    online_ = OnlineAccess::Make(directory_ + "/online", &clock_,
                                 [this](OnlineStore* store, const Ref& group, int64_t version) {
                                   if (group.name == kBroken) return Status::IOError("no disk");
                                   return SyncOnline(tables_.get(), store, group, version);
                                 })
                  .ValueOrDie();
    ingest_ = std::make_unique<Ingest>(tables_.get(), online_.get());
  }
  void Close() {
    ingest_.reset();
    online_.reset();
  }

  /// A group that can't be applied online; before the others in order.
  static constexpr std::string_view kBroken = "broken";

  FeatureGroupDefinition Weather(bool online = true) {
    FeatureGroupDefinition definition;
    definition.name = "weather";
    definition.primary_key = {"origin"};
    definition.event_time = "time";
    definition.online = online;
    return definition;
  }
  arrow::FieldVector Fields() {
    return {arrow::field("origin", arrow::utf8()), arrow::field("time", Micros()),
            arrow::field("temp", arrow::float64())};
  }

  /// Times are days.
  struct Row {
    std::string origin;
    int64_t day;
    double temp = 0;
  };
  Rows Make(const std::vector<Row>& rows, bool keys_only = false, bool with_time = true) {
    arrow::StringBuilder origin;
    arrow::TimestampBuilder time(Micros(), arrow::default_memory_pool());
    arrow::DoubleBuilder temp;
    for (const Row& row : rows) {
      EXPECT_TRUE(origin.Append(row.origin).ok() && time.Append(row.day * kDay).ok() &&
                  temp.Append(row.temp).ok());
    }
    arrow::FieldVector fields = {Fields()[0]};
    arrow::ArrayVector arrays = {origin.Finish().ValueOrDie()};
    if (with_time) {
      fields.push_back(Fields()[1]);
      arrays.push_back(time.Finish().ValueOrDie());
    }
    if (!keys_only) {
      fields.push_back(Fields()[2]);
      arrays.push_back(temp.Finish().ValueOrDie());
    }
    const auto batch = arrow::RecordBatch::Make(arrow::schema(fields), rows.size(), arrays);
    return arrow::RecordBatchReader::Make({batch}, batch->schema()).ValueOrDie();
  }

  struct Seen {
    RowStatus status;
    double temp = 0;
    bool operator==(const Seen&) const = default;
  };
  Seen Read(const std::string& origin, int64_t time_us) {
    arrow::StringBuilder key;
    EXPECT_TRUE(key.Append(origin).ok());
    const auto keys =
        arrow::RecordBatch::Make(arrow::schema({Fields()[0]}), 1, {key.Finish().ValueOrDie()});
    const auto answers = online_->Read({{.group = {"weather", 1},
                                         .keys = keys,
                                         .event_times_us = {time_us},
                                         .columns = {"temp"}}});
    EXPECT_TRUE(answers.ok()) << answers.status().ToString();
    if (!answers.ok()) return {RowStatus::kUnavailable, -1};
    const auto& temp = static_cast<const arrow::DoubleArray&>(*(*answers)[0].rows->column(0));
    return {(*answers)[0].status[0], temp.IsValid(0) ? temp.Value(0) : 0};
  }

  /// Refused with this code and these words, and nothing was written.
  void ExpectRefused(const Rows& rows, arrow::StatusCode code, const std::string& words,
                     InsertMode mode = InsertMode::kUpsert) {
    const auto before = tables_->Get({"weather", 1});
    const int64_t version = before.ok() ? (*(*before)->Head())->version() : -1;
    const auto commit = ingest_->Insert({"weather", 1}, rows, {.mode = mode});
    EXPECT_EQ(commit.status().code(), code) << commit.status().ToString();
    EXPECT_NE(commit.status().message().find(words), std::string::npos)
        << commit.status().ToString();
    const auto after = tables_->Get({"weather", 1});
    EXPECT_EQ(after.ok() ? (*(*after)->Head())->version() : -1, version);
  }

  ManualClock clock_{kNow};
  const std::string directory_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<FeatureTables> tables_;
  std::unique_ptr<OnlineAccess> online_;
  std::unique_ptr<Ingest> ingest_;
};

TEST_F(IngestTest, AFirstInsertSetsTheSchemaAndIsReadOnline) {
  ASSERT_TRUE(tables_->Define(Weather()).ok());
  const auto commit = ingest_->Insert({"weather", 0}, Make({{"JFK", 1, 10}, {"LGA", 1, 20}}),
                                      {.wait_online = true});
  ASSERT_TRUE(commit.ok()) << commit.status().ToString();
  EXPECT_EQ(commit->feature_group.ToText(), "weather@1");
  EXPECT_EQ(commit->rows_inserted, 2);
  EXPECT_TRUE(tables_->Definition({"weather", 1})->schema->Equals(*arrow::schema(Fields())));
  EXPECT_EQ(Read("JFK", kNow), (Seen{RowStatus::kPresent, 10}));
  EXPECT_EQ(Read("EWR", kNow), (Seen{RowStatus::kMissing}));
  // In the background, too.
  ASSERT_TRUE(ingest_->Insert({"weather", 1}, Make({{"JFK", 2, 11}}), {}).ok());
  ASSERT_TRUE(ingest_->Flush().ok());
  EXPECT_EQ(Read("JFK", kNow), (Seen{RowStatus::kPresent, 11}));
  EXPECT_EQ(Read("JFK", kDay), (Seen{RowStatus::kPresent, 10}));
}

TEST_F(IngestTest, AFirstInsertThatIsRefusedLeavesNoSchema) {
  ASSERT_TRUE(tables_->Define(Weather()).ok());
  using Code = arrow::StatusCode;
  ExpectRefused(Make({{"JFK", 1, 1}, {"JFK", 1, 2}}), Code::Invalid, "origin = JFK");
  ExpectRefused(FromJson(Fields(), R"([[null, 0, 1]])"), Code::Invalid, "origin");
  ExpectRefused(FromJson(Fields(), R"([["JFK", null, 1]])"), Code::Invalid, "time");
  ExpectRefused(FromJson({Fields()[0], Fields()[2]}, R"([["JFK", 1]])"), Code::Invalid, "'time'");
  ExpectRefused(FromJson({Fields()[0], arrow::field("time", arrow::utf8())}, R"([["a", "b"]])"),
                Code::TypeError, "event time");
  EXPECT_EQ(tables_->Definition({"weather", 1})->schema, nullptr);
  EXPECT_TRUE(tables_->Get({"weather", 1}).status().IsKeyError());
  // Appending may repeat; the later row wins.
  ASSERT_TRUE(ingest_
                  ->Insert({"weather", 1}, Make({{"JFK", 1, 1}, {"JFK", 1, 2}}),
                           {.mode = InsertMode::kAppend, .wait_online = true})
                  .ok());
  EXPECT_EQ(Read("JFK", kNow), (Seen{RowStatus::kPresent, 2}));
}

TEST_F(IngestTest, RowsThatDoNotFitAreRefused) {
  ASSERT_TRUE(tables_->Define(Weather()).ok());
  ASSERT_TRUE(ingest_->Insert({"weather", 1}, Make({{"JFK", 1, 10}}), {}).ok());
  using Code = arrow::StatusCode;
  const auto origin = Fields()[0], time = Fields()[1], temp = Fields()[2];
  ExpectRefused(
      FromJson({origin, time, arrow::field("tmp", arrow::float64())}, R"([["JFK", 0, 1]])"),
      Code::Invalid, "did you mean 'tmp'");
  ExpectRefused(FromJson({origin, time, temp, arrow::field("wind", arrow::float64())},
                         R"([["JFK", 0, 1, 2]])"),
                Code::Invalid, "'wind'");
  ExpectRefused(
      FromJson({origin, time, arrow::field("temp", arrow::utf8())}, R"([["JFK", 0, "warm"]])"),
      Code::Invalid, "'temp'");
  ExpectRefused(
      FromJson({origin, arrow::field("time", arrow::timestamp(arrow::TimeUnit::MICRO)), temp},
               R"([["JFK", 0, 1]])"),
      Code::TypeError, "no time zone in the frame");
  ExpectRefused(Make({{"JFK", 2, 1}, {"JFK", 2, 2}}), Code::Invalid, "origin");
  ExpectRefused(FromJson(Fields(), R"([[null, 0, 1]])"), Code::Invalid, "origin");
  EXPECT_TRUE(ingest_->Insert({"wether", 1}, Make({}), {}).status().IsKeyError());
  EXPECT_TRUE(
      ingest_->Delete({"weather", 1}, FromJson({temp}, "[[1]]"), false).status().IsInvalid());
}

TEST_F(IngestTest, DictionariesAndEmptyFrames) {
  ASSERT_TRUE(tables_->Define(Weather()).ok());
  arrow::StringDictionaryBuilder origin;
  ASSERT_TRUE(origin.Append("JFK").ok());
  const auto plain = Make({{"JFK", 1, 10}})->Next().ValueOrDie();
  const auto batch =
      plain
          ->SetColumn(0, arrow::field("origin", arrow::dictionary(arrow::int8(), arrow::utf8())),
                      origin.Finish().ValueOrDie())
          .ValueOrDie();
  const auto rows = arrow::RecordBatchReader::Make({batch}).ValueOrDie();
  const auto commit = ingest_->Insert({"weather", 1}, rows, {.wait_online = true});
  ASSERT_TRUE(commit.ok()) << commit.status().ToString();
  EXPECT_EQ(Read("JFK", kNow), (Seen{RowStatus::kPresent, 10}));
  EXPECT_TRUE(ingest_->Insert({"weather", 1}, Make({}), {.wait_online = true}).ok());
}

TEST_F(IngestTest, TheSameKeyTwiceChangesNothing) {
  ASSERT_TRUE(tables_->Define(Weather()).ok());
  const auto first = ingest_->Insert({"weather", 1}, Make({{"JFK", 1, 10}}),
                                     {.idempotency_key = "january", .wait_online = true});
  const auto again = ingest_->Insert({"weather", 1}, Make({{"JFK", 1, 99}}),
                                     {.idempotency_key = "january", .wait_online = true});
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_FALSE(first->already_applied);
  EXPECT_TRUE(again->already_applied);
  EXPECT_EQ(again->version, first->version);
  EXPECT_EQ(Read("JFK", kNow), (Seen{RowStatus::kPresent, 10}));
}

TEST_F(IngestTest, CommitsOfOtherWritersAreFollowed) {
  ASSERT_TRUE(tables_->Define(Weather()).ok());
  ASSERT_TRUE(ingest_->Insert({"weather", 1}, Make({{"JFK", 1, 10}}), {.wait_online = true}).ok());
  const auto table =
      Table::Open(LocalFileSystem(), directory_ + "/feature_groups/weather/1", {}, &clock_)
          .ValueOrDie();
  ASSERT_TRUE(table->Write(Make({{"JFK", 3, 30}}), {}).ok());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (Read("JFK", kNow) != (Seen{RowStatus::kPresent, 30})) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST_F(IngestTest, AGroupThatCannotBeAppliedHoldsUpNoOther) {
  ASSERT_TRUE(tables_->Define(Weather()).ok());
  FeatureGroupDefinition broken = Weather();
  broken.name = kBroken;
  ASSERT_TRUE(tables_->Define(broken).ok());
  ASSERT_TRUE(ingest_->Insert(broken.ref(), Make({{"JFK", 1, 10}}), {}).ok());
  EXPECT_TRUE(ingest_->Flush().IsIOError());
  ASSERT_TRUE(ingest_->Insert({"weather", 1}, Make({{"JFK", 1, 10}}), {}).ok());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (online_->AppliedVersion({"weather", 1}).ValueOr(-1) < 1) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(Read("JFK", kNow), (Seen{RowStatus::kPresent, 10}));
}

TEST_F(IngestTest, AGroupThatIsNotOnlineHasNoRows) {
  ASSERT_TRUE(tables_->Define(Weather(false)).ok());
  ASSERT_TRUE(ingest_->Insert({"weather", 1}, Make({{"JFK", 1, 10}}), {.wait_online = true}).ok());
  const auto keys = Make({{"JFK", 1}}, true, false)->Next().ValueOrDie();
  const Status status =
      online_->Read({{.group = {"weather", 1}, .keys = keys, .event_times_us = {0}}}).status();
  EXPECT_TRUE(status.IsKeyError());
  EXPECT_NE(status.message().find("is not online"), std::string::npos) << status.ToString();
}

/// Random writes, deletes and loads, applied as they come or caught up later: every read equals
/// the definition over the offline rows, or says that it is unavailable.
TEST_F(IngestTest, OnlineEqualsOfflineOrIsUnavailable) {
  std::mt19937 random(11);
  const auto pick = [&](int64_t n) { return static_cast<int64_t>(random() % n); };
  FeatureGroupDefinition definition = Weather();
  definition.ttl_us = 25 * kDay;
  definition.schema = arrow::schema(Fields());
  ASSERT_TRUE(tables_->Define(definition).ok());
  const std::vector<std::string> origins = {"JFK", "LGA", "EWR", ""};
  std::map<std::string, std::map<int64_t, double>> history;
  double value = 0;
  const int64_t today = kNow / kDay;
  for (int round = 0; round < 60; ++round) {
    const bool wait = pick(2) == 0;
    Result<Commit> commit = Commit{};
    const int64_t kind = pick(10);
    std::map<std::pair<std::string, int64_t>, double> picked;
    for (int64_t n = 1 + pick(6); n > 0; --n) {
      picked[{origins[pick(4)], today - 15 + pick(20)}] = ++value;
    }
    std::vector<Row> rows;
    for (const auto& [key, temp] : picked) rows.push_back({key.first, key.second, temp});
    std::shuffle(rows.begin(), rows.end(), random);
    if (kind < 6) {
      for (const Row& row : rows) history[row.origin][row.day] = row.temp;
      commit = ingest_->Insert({"weather", 1}, Make(rows), {.wait_online = wait});
    } else if (kind < 8) {
      for (const Row& row : rows) history[row.origin].erase(row.day);
      commit = ingest_->Delete({"weather", 1}, Make(rows, true), wait);
    } else if (kind < 9) {
      history.erase(rows[0].origin);
      commit = ingest_->Delete({"weather", 1}, Make({rows[0]}, true, false), wait);
    } else {
      history.clear();
      for (const Row& row : rows) history[row.origin][row.day] = row.temp;
      commit = ingest_->Insert({"weather", 1}, Make(rows),
                               {.mode = InsertMode::kOverwrite, .wait_online = wait});
    }
    ASSERT_TRUE(commit.ok()) << commit.status().ToString();
    if (pick(12) == 0) {
      Close();
      Open();
    }
    if (pick(15) == 0) {
      ASSERT_TRUE((*tables_->Get({"weather", 1}))->Compact().ok());
    }
    ASSERT_TRUE(online_->SyncTo({"weather", 1}, commit->version, 60'000'000).ok());
    for (int i = 0; i < 20; ++i) {
      const std::string& origin = origins[pick(4)];
      const int64_t day = i < 5 ? today : today - 20 + pick(50);
      const Seen seen = Read(origin, day * kDay);
      if (seen.status == RowStatus::kUnavailable) {
        EXPECT_LT(day, today);
        continue;
      }
      Seen expected{RowStatus::kMissing};
      const auto& days = history[origin];
      auto row = days.upper_bound(day);
      if (row != days.begin()) {
        --row;
        expected = Visible(row->first * kDay, day * kDay, definition.ttl_us)
                       ? Seen{RowStatus::kPresent, row->second}
                       : Seen{RowStatus::kExpired};
      }
      ASSERT_EQ(seen, expected) << "round " << round << " '" << origin << "' day " << day - today;
    }
  }
}

}  // namespace
}  // namespace tercet
