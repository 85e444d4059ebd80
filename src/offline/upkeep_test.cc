// Vacuum, cleanup of the log, alteration of columns, and erasure.
#include <fstream>

#include "offline/delta_table.h"
#include "offline/table_property.h"
#include "offline/table_test_rows.h"
#include "offline/widening.h"

namespace tercet {
namespace {

using arrow::field;

constexpr int64_t kHour = 3600LL * 1'000'000;
constexpr int64_t kDay = 24 * kHour;

/// A table of small files whose clock runs a year ahead of the disk's, so that every file is old.
class Upkeep : public ::testing::Test {
 protected:
  Upkeep() {
    schema_ = arrow::schema({field("key", arrow::int64()), field("value", arrow::int32())});
    table_ = Value(Table::Create(LocalFileSystem(), path_, schema_, {.primary_key = {"key"}},
                                 &clock_));
  }

  Commit Put(const std::string& text) {
    clock_.Advance(kHour);
    return Value(table_->Write(Reader({Rows(schema_, text)}), {}));
  }
  void Properties(const std::map<std::string, std::optional<std::string>>& properties) {
    clock_.Advance(kHour);
    Value(table_->Alter({.properties = properties}));
  }
  std::shared_ptr<arrow::RecordBatch> At(int64_t version) {
    const auto fresh = Value(Table::Open(LocalFileSystem(), path_, {}, &clock_));
    return ScanAll(Value(fresh->AtVersion(version)).get());
  }
  std::shared_ptr<arrow::RecordBatch> Head() {
    const auto fresh = Value(Table::Open(LocalFileSystem(), path_, {}, &clock_));
    return ScanAll(Value(fresh->Head()).get());
  }
  int64_t ParquetFiles() {
    int64_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      count += entry.path().extension() == ".parquet";
    }
    return count;
  }
  int64_t LogFiles() {
    int64_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(path_ + "/_delta_log")) {
      ++count;
    }
    return count;
  }
  std::string LogText() {
    std::string all;
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/_delta_log")) {
      std::ifstream file(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }

  TestFolder folder_;
  ManualClock clock_{SystemClock()->NowMicros() + 365 * kDay};
  const std::string path_ = folder_.Join("t");
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<Table> table_;
};

TEST_F(Upkeep, VacuumKeepsWhatTheRetentionAndPinsNeed) {
  const int64_t first = Put("[[1, 1], [2, 1]]").version;
  const int64_t second = Put("[[1, 2]]").version;
  const int64_t third = Put("[[1, 3]]").version;
  const int64_t fourth = Put("[[1, 4]]").version;
  const auto of_first = At(first), of_third = At(third), of_fourth = At(fourth);
  // By default nothing goes: the retention is a month.
  EXPECT_EQ(Value(table_->Vacuum({}, {})).files.size(), 0U);
  // In effect an hour ago: the third.
  const VacuumRequest request{.retention_us = kHour};
  clock_.Advance(kHour / 4);
  VacuumRequest dry = request;
  dry.dry_run = true;
  const auto planned = Value(table_->Vacuum(dry, {first}));
  ExpectEqual(*At(second), *At(second));
  const auto report = Value(table_->Vacuum(request, {first}));
  EXPECT_EQ(report.files, planned.files);
  EXPECT_EQ(report.bytes, planned.bytes);
  EXPECT_GT(report.files.size(), 0U);
  EXPECT_EQ(report.orphans, 0);
  ExpectEqual(*At(first), *of_first);
  ExpectEqual(*At(third), *of_third);
  ExpectEqual(*At(fourth), *of_fourth);
  const auto fresh = Value(Table::Open(LocalFileSystem(), path_, {}, &clock_));
  const auto lost = Value(Value(fresh->AtVersion(second))->Scan({}))->ToTable();
  ASSERT_TRUE(lost.status().IsIOError());
  EXPECT_NE(lost.status().message().find("vacuum"), std::string::npos) << lost.status().ToString();
  // The changes of kept commits are kept, those of older ones are not and say so.
  EXPECT_EQ(Collect(Value(fresh->Changes(third, fourth)))->num_rows(), 2);
  EXPECT_TRUE(Value(fresh->Changes(first, second))->ToTable().status().IsKeyError());
  // Without the pin the first goes as well.
  EXPECT_GT(Value(table_->Vacuum(request, {})).files.size(), 0U);
  ExpectEqual(*At(fourth), *of_fourth);
}

TEST_F(Upkeep, VacuumTakesOldOrphansAndLeavesYoungFiles) {
  Put("[[1, 1]]");
  const auto orphan = [&](const std::string& name, int64_t age_us) {
    std::ofstream(path_ + "/" + name) << "PAR1";
    const auto now = std::filesystem::file_time_type::clock::now();
    const auto ahead = std::chrono::microseconds(clock_.NowMicros() -
                                                 SystemClock()->NowMicros() - age_us);
    std::filesystem::last_write_time(path_ + "/" + name, now + ahead);
  };
  orphan("part-old.parquet", kDay + kHour);
  orphan("part-being-written.parquet", kHour);
  orphan("_delta_log/00000000000000000009.json.tmp-old", kDay + kHour);
  std::filesystem::create_directories(path_ + "/_internal_of_others");
  orphan("_internal_of_others/file", 2 * kDay);
  const auto before = Head();
  const auto report = Value(table_->Vacuum({.retention_us = 0}, {}));
  EXPECT_EQ(report.files, std::vector<std::string>{"part-old.parquet"});
  EXPECT_EQ(report.orphans, 1);
  EXPECT_EQ(report.log_files, 1);
  EXPECT_TRUE(std::filesystem::exists(path_ + "/part-being-written.parquet"));
  EXPECT_TRUE(std::filesystem::exists(path_ + "/_internal_of_others/file"));
  ExpectEqual(*Head(), *before);
}

TEST_F(Upkeep, VacuumOfATableWithVectorsKeepsTheirFiles) {
  Properties({{"tercet.copy_on_write_rows", "0"}});
  std::string text;
  for (int i = 0; i < 3000; ++i) text += (i == 0 ? "[[" : ", [") + std::to_string(i) + ", 1]";
  Put(text + "]");
  std::string keys;
  for (int i = 0; i < 800; ++i) {
    keys += (i == 0 ? "[[" : ", [") + std::to_string((i * 7919) % 3000) + "]";
  }
  const auto key_schema = arrow::schema({schema_->field(0)});
  Value(table_->Delete(Reader({Rows(key_schema, keys + "]")})));
  const auto before = Head();
  clock_.Advance(kHour);
  Value(table_->Vacuum({.retention_us = 0}, {}));
  ExpectEqual(*Head(), *before);
}

TEST_F(Upkeep, APinThatCantBeLoadedStopsTheVacuum) {
  Put("[[1, 1]]");
  Put("[[1, 2]]");
  const int64_t before = ParquetFiles();
  EXPECT_TRUE(table_->Vacuum({.retention_us = 0}, {99}).status().IsInvalid());
  EXPECT_TRUE(table_->Vacuum({.retention_us = -1}, {}).status().IsInvalid());
  EXPECT_EQ(ParquetFiles(), before);
}

TEST_F(Upkeep, OldCommitsLeaveTheLogBehindACheckpoint) {
  Properties({{"delta.logRetentionDuration", "interval 1 hour"},
              {"delta.checkpointInterval", "4"},
              {"delta.setTransactionRetentionDuration", std::nullopt}});
  for (int i = 0; i < 10; ++i) Put("[[" + std::to_string(i) + ", 1]]");
  const auto keyed = Value(table_->Write(Reader({Rows(schema_, "[[99, 1]]")}),
                                         {.idempotency_key = "job 1"}));
  const int64_t head = Value(table_->Head())->version();
  const auto pinned_rows = At(6), rows = Head();
  clock_.Advance(40 * kDay);
  const auto report = Value(table_->Vacuum({}, {6}));
  EXPECT_EQ(report.files.size(), 0U);
  EXPECT_EQ(report.oldest_version, 4);  // a checkpoint is there
  EXPECT_GT(report.log_files, 0);
  ExpectEqual(*At(6), *pinned_rows);
  ExpectEqual(*Head(), *rows);
  const auto fresh = Value(Table::Open(LocalFileSystem(), path_, {}, &clock_));
  EXPECT_TRUE(fresh->AtVersion(2).status().IsKeyError());
  EXPECT_EQ(Value(fresh->Commits()).front().version, 4);
  // Without the pin all goes but the head; then a key that came with a commit that is gone still
  // tells a repetition.
  Put("[[7, 7]]");
  clock_.Advance(40 * kDay);
  const auto rest = Value(table_->Vacuum({.retention_us = 0}, {}));
  EXPECT_EQ(rest.oldest_version, 12);  // of the checkpoint before the head
  Properties({{"delta.checkpointInterval", "1"}});
  Put("[[7, 8]]");
  clock_.Advance(40 * kDay);
  EXPECT_EQ(Value(table_->Vacuum({.retention_us = 0}, {})).oldest_version, head + 3);
  EXPECT_LE(LogFiles(), 3);
  const auto again = Value(Table::Open(LocalFileSystem(), path_, {}, &clock_));
  const Commit repeated = Value(again->Write(Reader({Rows(schema_, "[[99, 5]]")}),
                                             {.idempotency_key = "job 1"}));
  EXPECT_TRUE(repeated.already_applied);
  EXPECT_EQ(repeated.version, keyed.version);
}

TEST_F(Upkeep, ACleanupByAnotherProcessIsSeen) {
  const auto other = Value(Table::Open(LocalFileSystem(), path_, {}, &clock_));
  Properties({{"delta.logRetentionDuration", "interval 1 hour"},
              {"delta.checkpointInterval", "4"}});
  for (int i = 0; i < 9; ++i) Put("[[" + std::to_string(i) + ", 1]]");
  ASSERT_EQ(Value(other->Commits()).size(), 11U);
  clock_.Advance(40 * kDay);
  const int64_t oldest = Value(table_->Vacuum({}, {9})).oldest_version;
  ASSERT_EQ(oldest, 8);
  EXPECT_EQ(Value(other->Commits()).front().version, oldest);
  EXPECT_EQ(Value(other->Vacuum({.retention_us = 0}, {9})).oldest_version, oldest);
  // Changes that are gone are missed, a single commit's too.
  for (const auto& table : {table_, other}) {
    EXPECT_TRUE(table->Changes(4, 5).status().IsKeyError());
    EXPECT_TRUE(table->Changes(4, 9).status().IsKeyError());
    EXPECT_EQ(Collect(Value(table->Changes(oldest, -1)))->num_rows(), 2);
    EXPECT_EQ(Collect(Value(table->Changes(INT64_MAX, -1)))->num_rows(), 0);
  }
}

TEST_F(Upkeep, AddedColumnsHaveTheirDefaultEverywhere) {
  Put("[[1, 1], [2, 2]]");
  const int64_t before = Put("[[3, 3]]").version;
  const auto old_rows = At(before);
  const Commit altered = Value(table_->Alter(
      {.add = {field("score", arrow::float64()), field("note", arrow::utf8())},
       .defaults = {{"score", arrow::MakeScalar(0.5)}}}));
  EXPECT_EQ(altered.operation, "alter");
  const auto rows = Head();
  EXPECT_EQ(rows->num_rows(), 3);
  const auto& score = static_cast<const arrow::DoubleArray&>(*rows->GetColumnByName("score"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(score.Value(i), 0.5);
  EXPECT_EQ(rows->GetColumnByName("note")->null_count(), 3);
  ExpectEqual(*At(before), *old_rows);  // an old commit has its old schema
  // A write that knows nothing of the columns, and one that does.
  Put("[[4, 4]]");
  const auto wide = arrow::schema({schema_->field(0), schema_->field(1),
                                   field("score", arrow::float64()), field("note", arrow::utf8())});
  Value(table_->Write(Reader({Rows(wide, "[[5, 5, 1.5, \"x\"]]")}), {}));
  const auto all = Head();
  const auto& scores = static_cast<const arrow::DoubleArray&>(*all->GetColumnByName("score"));
  EXPECT_EQ(scores.Value(3), 0.5);
  EXPECT_EQ(scores.Value(4), 1.5);
  // A column of the group's own is still asked for.
  const auto partial = arrow::schema({schema_->field(0)});
  EXPECT_TRUE(table_->Write(Reader({Rows(partial, "[[6]]")}), {}).status().IsInvalid());
  EXPECT_TRUE(table_->Alter({.add = {field("score", arrow::int32())}}).status().IsAlreadyExists());
  EXPECT_TRUE(table_->Alter({.add = {field("SCORE", arrow::int32())}}).status().IsInvalid());
  // The alteration is no change of rows.
  EXPECT_EQ(Collect(Value(table_->Changes(altered.version - 1, altered.version)))->num_rows(), 0);
}

TEST_F(Upkeep, WidenedColumnsKeepTheirValues) {
  Put("[[1, 2147483647], [2, null]]");
  const int64_t before = Value(table_->Head())->version();
  Value(table_->Alter({.widen = {field("value", arrow::int64())}}));
  const auto rows = Head();
  ExpectEqual(*rows, *Rows(arrow::schema({schema_->field(0), field("value", arrow::int64())}),
                           "[[1, 2147483647], [2, null]]"));
  EXPECT_EQ(At(before)->schema()->field(1)->type()->id(), arrow::Type::INT32);
  const auto wide = arrow::schema({schema_->field(0), field("value", arrow::int64())});
  Value(table_->Write(Reader({Rows(wide, "[[3, 4294967296]]")}), {}));
  Put("[[4, 4]]");  // a writer of the old type
  EXPECT_EQ(Head()->num_rows(), 4);
  Value(table_->Alter({.widen = {field("value", arrow::decimal128(22, 2))}}));
  EXPECT_EQ(Head()->GetColumnByName("value")->type()->id(), arrow::Type::DECIMAL128);
  // Refused, by name.
  for (const auto& type : {arrow::int32(), arrow::float64(), arrow::utf8()}) {
    const Status refused = table_->Alter({.widen = {field("value", type)}}).status();
    EXPECT_TRUE(refused.IsTypeError()) << refused.ToString();
    EXPECT_NE(refused.message().find("'value'"), std::string::npos);
  }
  EXPECT_TRUE(table_->Alter({.widen = {field("key", arrow::float64())}}).status().IsInvalid());
  EXPECT_TRUE(table_->Alter({.widen = {field("vlaue", arrow::int64())}}).status().IsKeyError());
}

TEST(Widening, IsByTypesAlone) {
  const auto fits = [](const auto& a, const auto& b) { return CheckWidening(*a, *b).ok(); };
  EXPECT_TRUE(fits(arrow::int8(), arrow::int16()));
  EXPECT_TRUE(fits(arrow::uint16(), arrow::int32()));
  EXPECT_FALSE(fits(arrow::uint32(), arrow::int32()));
  EXPECT_FALSE(fits(arrow::int32(), arrow::uint64()));
  EXPECT_TRUE(fits(arrow::float32(), arrow::float64()));
  EXPECT_TRUE(fits(arrow::int32(), arrow::float64()));
  EXPECT_FALSE(fits(arrow::int64(), arrow::float64()));
  EXPECT_TRUE(fits(arrow::int32(), arrow::decimal128(10, 0)));
  EXPECT_FALSE(fits(arrow::int32(), arrow::decimal128(10, 1)));
  EXPECT_TRUE(fits(arrow::int64(), arrow::decimal128(21, 2)));
  EXPECT_TRUE(fits(arrow::decimal128(5, 2), arrow::decimal128(7, 3)));
  EXPECT_FALSE(fits(arrow::decimal128(5, 2), arrow::decimal128(6, 4)));
  EXPECT_TRUE(fits(arrow::date32(), arrow::timestamp(arrow::TimeUnit::MICRO)));
  EXPECT_FALSE(fits(arrow::date32(), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
  EXPECT_FALSE(fits(arrow::utf8(), arrow::int64()));
}

TEST_F(Upkeep, PropertiesAreCheckedBeforeTheyAreSet) {
  EXPECT_TRUE(CheckProperty("tercet.compression", "zstd").ok());
  EXPECT_TRUE(CheckProperty("team", "fraud").ok());
  EXPECT_TRUE(CheckProperty("tercet.max_file_rows", std::nullopt).ok());
  EXPECT_TRUE(CheckProperty("tercet.compression", "zip").IsInvalid());
  EXPECT_TRUE(CheckProperty("tercet.layout", "{}").IsInvalid());
  EXPECT_TRUE(CheckProperty("delta.columnMapping.mode", "name").IsInvalid());
  EXPECT_TRUE(CheckProperty("delta.enableDeletionVectors", "true").IsInvalid());
  EXPECT_TRUE(CheckProperty("delta.logRetentionDuration", "30 parsecs").IsInvalid());
  EXPECT_EQ(Value(ParseInterval("interval 1 week 12 hours")), 7 * kDay + 12 * kHour);
  EXPECT_FALSE(ParseInterval("interval").ok());
  EXPECT_FALSE(ParseInterval("interval 99999999999 weeks").ok());
  // Vectors switched off by Delta's own property.
  Properties({{"delta.enableDeletionVectors", "false"}, {"tercet.copy_on_write_rows", "0"}});
  EXPECT_FALSE(Value(table_->Head())->options().deletion_vectors);
  const int64_t version = Value(table_->Head())->version();
  Properties({{"delta.enableDeletionVectors", "false"}});  // nothing to do
  EXPECT_EQ(Value(table_->Head())->version(), version);
}

/// The files below a folder, the log's too, whose bytes have this text.
std::vector<std::string> FilesWith(const std::string& folder, const std::string& text) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (bytes.find(text) != std::string::npos) found.push_back(entry.path().string());
  }
  return found;
}

TEST_F(Upkeep, CheckpointsForgetOldRemovalsAndKeys) {
  const auto insert = [&](const std::string& key) {
    return Value(table_->Write(Reader({Rows(schema_, "[[1, 1]]")}), {.idempotency_key = key}));
  };
  SetProperties(path_, {{"delta.checkpointInterval", "1"}});
  insert("old");
  insert("");
  const DeltaLog log(LocalFileSystem(), path_);
  EXPECT_EQ(Value(log.Load(std::nullopt, {}))->tombstones.size(), 1U);
  EXPECT_TRUE(insert("old").already_applied);
  clock_.Advance(31 * kDay);
  insert("");
  const TableStatePtr state = Value(log.Load(std::nullopt, {}));
  EXPECT_EQ(state->tombstones.size(), 1U) << "only what was removed now";
  EXPECT_TRUE(state->transactions.empty());
  EXPECT_FALSE(insert("old").already_applied);
  // A table without the property keeps them for ever.
  Value(table_->Alter({.properties = {{"delta.setTransactionRetentionDuration", std::nullopt}}}));
  clock_.Advance(1000 * kDay);
  EXPECT_TRUE(insert("old").already_applied);
}

TEST_F(Upkeep, ErasureReachesFilesWhoseCommitsLeftTheLog) {
  const auto text = arrow::schema({field("name", arrow::utf8()), field("value", arrow::int32())});
  const std::string path = folder_.Join("people");
  const auto people = Value(Table::Create(LocalFileSystem(), path, text,
                                          {.primary_key = {"name"}}, &clock_));
  for (const std::string rows : {R"([["aaron", 1], ["berta", 1]])", R"([["aaron", 2]])"}) {
    clock_.Advance(kHour);
    Value(people->Write(Reader({Rows(text, rows)}), {}));
  }
  Value(people->Alter({.properties = {
                           {"delta.logRetentionDuration", "interval 1 hour"},
                           {"delta.deletedFileRetentionDuration", "interval 100 days"}}}));
  clock_.Advance(40 * kDay);
  const VacuumReport report = Value(people->Vacuum({}, {}));
  ASSERT_EQ(report.files.size(), 0U) << "they have a retention of their own";
  ASSERT_GT(report.log_files, 0);
  ASSERT_GE(FilesWith(path, "aaron").size(), 3U) << "old rows, the change, the new row";
  const TableErasure erasure =
      Value(people->Erase(Rows(arrow::schema({text->field(0)}), R"([["aaron"]])")));
  EXPECT_EQ(erasure.rows, 1);
  EXPECT_EQ(FilesWith(path, "aaron"), std::vector<std::string>());
  EXPECT_EQ(FilesWith(path, "6161726f6e"), std::vector<std::string>()) << "as a tag";
  ExpectEqual(*ScanAll(Value(people->Head()).get()), *Rows(text, R"([["berta", 1]])"));
}

TEST_F(Upkeep, ErasureReachesHistoryChangesAndTheLog) {
  const auto text = arrow::schema({field("name", arrow::utf8()), field("value", arrow::int32())});
  const std::string path = folder_.Join("people");
  const auto people = Value(Table::Create(LocalFileSystem(), path, text,
                                          {.primary_key = {"name"}}, &clock_));
  const auto put = [&](const std::string& rows) {
    clock_.Advance(kHour);
    return Value(people->Write(Reader({Rows(text, rows)}), {})).version;
  };
  put(R"([["aaron", 1], ["berta", 1]])");
  const int64_t second = put(R"([["carl", 1]])");
  put(R"([["aaron", 2]])");  // moves aaron and rewrites berta's file
  const int64_t fourth = put(R"([["dora", 1]])");
  DeltaLog log(LocalFileSystem(), path);
  ASSERT_TRUE(log.WriteCheckpoint(*Value(log.Load(std::nullopt, {}))).ok());
  const auto keys = Rows(arrow::schema({text->field(0)}), R"([["aaron"], ["nobody"]])");
  const TableErasure erasure = Value(people->Erase(keys));
  EXPECT_EQ(erasure.rows, 1);
  EXPECT_GE(erasure.files, 2);
  EXPECT_EQ(erasure.lost_versions, (std::vector<int64_t>{1, 2, 3, 4}));
  ASSERT_EQ(second, 2);
  ASSERT_EQ(fourth, 4);
  const auto fresh = Value(Table::Open(LocalFileSystem(), path, {}, &clock_));
  ExpectEqual(*ScanAll(Value(fresh->Head()).get()),
              *Rows(text, R"([["berta", 1], ["carl", 1], ["dora", 1]])"));
  // Nowhere in the folder: not in data, not in changes, not in the log's statistics and tags.
  EXPECT_EQ(FilesWith(path, "aaron"), std::vector<std::string>());
  EXPECT_EQ(FilesWith(path, "6161726f6e"), std::vector<std::string>());
  // Again: nothing is left to do. And rows go on being written and read.
  const TableErasure nothing = Value(people->Erase(keys));
  EXPECT_EQ(nothing.rows, 0);
  EXPECT_EQ(nothing.files, 0);
  EXPECT_EQ(nothing.version, erasure.version);
  put(R"([["emil", 1]])");
  EXPECT_EQ(ScanAll(Value(people->Head()).get())->num_rows(), 4);
  EXPECT_TRUE(people->Erase(Rows(arrow::schema({text->field(1)}), "[[1]]")).status().IsInvalid());
}

}  // namespace
}  // namespace tercet
