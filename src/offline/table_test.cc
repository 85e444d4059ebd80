#include <gmock/gmock.h>

#include <arrow/builder.h>

#include "catalog/feature_type.h"
#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;

std::shared_ptr<arrow::Schema> WeatherSchema() {
  return arrow::schema({field("origin", arrow::utf8()),
                        field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                        field("temp", arrow::float64())});
}

class TableTest : public ::testing::Test {
 protected:
  std::shared_ptr<Table> Make(const std::shared_ptr<arrow::Schema>& schema,
                              const TableOptions& options) {
    return Value(Table::Create(LocalFileSystem(), folder_.Join("t"), schema, options, &clock_));
  }
  std::shared_ptr<Table> MakeWeather() {
    return Make(WeatherSchema(), {.primary_key = {"origin"}, .event_time = "at"});
  }
  Commit Put(Table* table, const std::string& text, InsertMode mode = InsertMode::kUpsert,
             const std::string& idempotency_key = "") {
    clock_.Advance(1'000'000);
    const auto schema = Value(table->Head())->schema();
    return Value(table->Write(Reader({Rows(schema, text)}),
                              {.mode = mode, .idempotency_key = idempotency_key}));
  }
  Result<Commit> TryPut(Table* table, const std::shared_ptr<arrow::RecordBatch>& rows,
                        InsertMode mode = InsertMode::kUpsert) {
    return table->Write(Reader({rows}), {.mode = mode, .idempotency_key = ""});
  }
  void ExpectRows(Table* table, const std::string& text) {
    const auto head = Value(table->Head());
    ExpectEqual(*ScanAll(head.get()), *Rows(head->schema(), text));
  }

  TestFolder folder_;
  ManualClock clock_{1'700'000'000'000'000};
};

TEST_F(TableTest, IsEmptyWhenNew) {
  const auto table = MakeWeather();
  const auto head = Value(table->Head());
  EXPECT_EQ(head->version(), 0);
  EXPECT_EQ(head->file_count(), 0);
  EXPECT_EQ(head->row_count(), 0);
  EXPECT_EQ(ScanAll(head.get())->num_rows(), 0);
  EXPECT_TRUE(Table::Create(LocalFileSystem(), folder_.Join("t"), WeatherSchema(),
                            {.primary_key = {"origin"}, .event_time = "at"}, &clock_)
                  .status()
                  .IsAlreadyExists());
  EXPECT_TRUE(
      Table::Open(LocalFileSystem(), folder_.Join("none"), {}, &clock_).status().IsKeyError());
}

TEST_F(TableTest, UpsertReplacesByKeyAndTime) {
  const auto table = MakeWeather();
  Commit commit = Put(table.get(), R"([["JFK", 3, 1.5], ["EWR", 1, 2], ["EWR", 0, null]])");
  EXPECT_EQ(commit.version, 1);
  EXPECT_EQ(commit.operation, "upsert");
  EXPECT_EQ(commit.rows_inserted, 3);
  commit = Put(table.get(), R"([["EWR", 1, 7], ["LGA", 1, 8]])");
  EXPECT_EQ(commit.rows_inserted, 1);
  EXPECT_EQ(commit.rows_updated, 1);
  ExpectRows(table.get(), R"([["EWR", 0, null], ["EWR", 1, 7], ["JFK", 3, 1.5], ["LGA", 1, 8]])");
  // A second handle, from the log alone.
  const auto again = Value(Table::Open(LocalFileSystem(), folder_.Join("t"), {}, &clock_));
  ExpectRows(again.get(), R"([["EWR", 0, null], ["EWR", 1, 7], ["JFK", 3, 1.5], ["LGA", 1, 8]])");
  EXPECT_EQ(Value(again->Head())->options().event_time, "at");
}

TEST_F(TableTest, AppendKeepsDuplicatesAndTheLaterWins) {
  const auto table = MakeWeather();
  Put(table.get(), R"([["EWR", 1, 1], ["EWR", 2, 2], ["EWR", 1, 3]])", InsertMode::kAppend);
  ExpectRows(table.get(), R"([["EWR", 1, 3], ["EWR", 2, 2]])");
  Put(table.get(), R"([["EWR", 2, 4], ["EWR", 0, 5]])", InsertMode::kAppend);
  ExpectRows(table.get(), R"([["EWR", 0, 5], ["EWR", 1, 3], ["EWR", 2, 4]])");
  EXPECT_EQ(Value(table->Head())->row_count(), 5);
  Put(table.get(), R"([["EWR", 1, 9]])");
  ExpectRows(table.get(), R"([["EWR", 0, 5], ["EWR", 1, 9], ["EWR", 2, 4]])");
}

TEST_F(TableTest, DeleteByKeyAndByKeyAndTime) {
  const auto table = MakeWeather();
  Put(table.get(), R"([["A", 1, 1], ["A", 2, 2], ["B", 1, 3], ["B", 2, 4], ["C", 1, 5]])");
  const auto keys = Rows(arrow::schema({field("origin", arrow::utf8())}), R"([["A"], ["Z"]])");
  Commit commit = Value(table->Delete(Reader({keys})));
  EXPECT_EQ(commit.operation, "delete");
  EXPECT_EQ(commit.rows_deleted, 2);
  ExpectRows(table.get(), R"([["B", 1, 3], ["B", 2, 4], ["C", 1, 5]])");
  const auto rows = Rows(arrow::schema({WeatherSchema()->field(0), WeatherSchema()->field(1)}),
                         R"([["B", 1], ["C", 2]])");
  commit = Value(table->Delete(Reader({rows})));
  EXPECT_EQ(commit.rows_deleted, 1);
  ExpectRows(table.get(), R"([["B", 2, 4], ["C", 1, 5]])");
  const int64_t version = commit.version;
  EXPECT_EQ(Value(table->Delete(Reader({rows}))).version, version);
}

TEST_F(TableTest, TimeTravel) {
  const auto table = MakeWeather();
  const Commit first = Put(table.get(), R"([["A", 1, 1]])");
  const Commit second = Put(table.get(), R"([["A", 1, 2], ["B", 1, 3]])", InsertMode::kOverwrite);
  EXPECT_EQ(second.rows_deleted, 1);
  EXPECT_GT(second.commit_time_us, first.commit_time_us);
  ExpectEqual(*ScanAll(Value(table->AtVersion(1)).get()),
              *Rows(WeatherSchema(), R"([["A", 1, 1]])"));
  EXPECT_EQ(Value(table->AtTime(first.commit_time_us))->version(), 1);
  EXPECT_EQ(Value(table->AtTime(second.commit_time_us - 1))->version(), 1);
  EXPECT_EQ(Value(table->AtTime(second.commit_time_us + 99))->version(), 2);
  EXPECT_TRUE(table->AtVersion(3).status().IsKeyError());
  EXPECT_TRUE(table->AtTime(0).status().IsKeyError());
  const auto commits = Value(table->Commits());
  ASSERT_EQ(commits.size(), 3);
  EXPECT_EQ(commits[0].operation, "create");
  EXPECT_EQ(commits[2].operation, "overwrite");
  EXPECT_EQ(commits[2].rows_inserted, 2);
  EXPECT_EQ(commits[1].commit_time_us, first.commit_time_us);
}

TEST_F(TableTest, SameIdempotencyKeyChangesNothing) {
  const auto table = MakeWeather();
  const Commit first = Put(table.get(), R"([["A", 1, 1]])", InsertMode::kAppend, "january");
  Put(table.get(), R"([["A", 2, 1]])", InsertMode::kAppend, "february");
  const Commit again = Put(table.get(), R"([["A", 1, 5]])", InsertMode::kAppend, "january");
  EXPECT_TRUE(again.already_applied);
  EXPECT_EQ(again.version, first.version);
  EXPECT_EQ(Value(table->Head())->version(), 2);
}

TEST_F(TableTest, ChangesListEveryRow) {
  const auto table = MakeWeather();
  Put(table.get(), R"([["A", 1, 1], ["B", 1, 2]])");
  Put(table.get(), R"([["A", 1, 3], ["C", 1, 4]])");
  Value(
      table->Delete(Reader({Rows(arrow::schema({field("origin", arrow::utf8())}), R"([["B"]])")})));
  const auto changes = Collect(Value(table->Changes(0, -1)));
  ASSERT_EQ(changes->num_rows(), 6);
  std::vector<std::string> texts;
  for (int64_t i = 0; i < changes->num_rows(); ++i) {
    std::string text;
    for (const char* name : {"_commit_version", "origin", "temp", "_change_type"}) {
      text += Value(changes->GetColumnByName(name)->GetScalar(i))->ToString() + " ";
    }
    texts.push_back(text);
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"1 A 1 insert ", "1 B 2 insert ",
                                             "2 A 1 update_preimage ", "2 A 3 update_postimage ",
                                             "2 C 4 insert ", "3 B 2 delete "}));
  EXPECT_EQ(Collect(Value(table->Changes(2, 3)))->num_rows(), 1);
}

TEST_F(TableTest, CompactionChangesNothingVisible) {
  const auto table = MakeWeather();
  for (int i = 0; i < 6; ++i) {
    Put(table.get(),
        "[[\"A\", " + std::to_string(i) + ", 1], [\"B\", 1, " + std::to_string(i) + "]]");
  }
  const auto before = ScanAll(Value(table->Head()).get());
  const Commit commit = Value(table->Compact());
  EXPECT_EQ(commit.operation, "compact");
  const auto head = Value(table->Head());
  EXPECT_EQ(head->file_count(), 1);
  ExpectEqual(*ScanAll(head.get()), *before);
  EXPECT_EQ(Collect(Value(table->Changes(commit.version - 1, -1)))->num_rows(), 0);
  EXPECT_EQ(Value(table->Compact()).version, commit.version);
}

TEST_F(TableTest, ScanPrunesColumnsAndTimes) {
  const auto table = MakeWeather();
  Put(table.get(), R"([["A", 1, 1], ["A", 5, 2], ["B", 3, 3]])");
  Put(table.get(), R"([["A", 9, 4]])");
  const auto head = Value(table->Head());
  ScanOptions options{.columns = {"temp"}, .start_us = 3, .end_us = 9};
  const auto rows = ScanAll(head.get(), options);
  ExpectEqual(*rows, *Rows(arrow::schema({WeatherSchema()->field(2)}), "[[2], [3]]"));
  options.columns = {"tmp"};
  EXPECT_THAT(head->Scan(options).status().ToString(), ::testing::HasSubstr("did you mean 'temp'"));
}

TEST_F(TableTest, LookupAndRanges) {
  const auto table = MakeWeather();
  Put(table.get(), R"([["A", 1, 1], ["B", 5, 2], ["C", 3, 3]])");
  Put(table.get(), R"([["B", 5, 7], ["D", 9, 4]])", InsertMode::kAppend);
  const auto head = Value(table->Head());
  const auto keys = Rows(arrow::schema({field("origin", arrow::utf8())}),
                         R"([["D"], ["B"], ["Z"], ["B"], [null]])");
  ExpectEqual(*Collect(Value(head->Lookup(keys, {}))),
              *Rows(WeatherSchema(), R"([["B", 5, 7], ["D", 9, 4]])"));
  const auto ranges = Value(head->Partition(2));
  int64_t rows = 0;
  for (const KeyRange& range : ranges)
    rows += Collect(Value(head->ScanRange({}, range)))->num_rows();
  EXPECT_EQ(rows, 4);
}

TEST_F(TableTest, ColumnsDeclaredWithoutNullsHaveNone) {
  const auto schema = arrow::schema(
      {field("key", arrow::int64()), field("value", arrow::int64(), /*nullable=*/false)});
  const auto table = Make(schema, {.primary_key = {"key"}});
  const auto loose = arrow::schema({field("key", arrow::int64()), field("value", arrow::int64())});
  const Status status = TryPut(table.get(), Rows(loose, "[[1, null]]")).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr("'value'"));
  EXPECT_EQ(Value(TryPut(table.get(), Rows(loose, "[[1, 2]]"))).rows_inserted, 1);
}

TEST_F(TableTest, HundredsOfSmallRunsAreReadWithFewOpenFiles) {
  const auto table = MakeWeather();
  for (int i = 0; i < 40; ++i) {
    const std::string hour = std::to_string(i);
    Put(table.get(), "[[\"A\", " + hour + ", 1], [\"Z\", " + hour + ", 2]]");
  }
  const auto head = Value(table->Head());
  EXPECT_EQ(head->file_count(), 40);
  const auto reader =
      Value(head->Scan({.columns = {}, .start_us = {}, .end_us = {}, .batch_rows = 1}));
  std::shared_ptr<arrow::RecordBatch> first;
  ASSERT_OK(reader->ReadNext(&first));
  int open_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    open_files += std::filesystem::read_symlink(entry, gone).string().ends_with(".parquet");
  }
  EXPECT_LE(open_files, 2);
}

TEST_F(TableTest, AFeatureMayNestAsManyTypesAsItMay) {
  std::shared_ptr<arrow::DataType> type = arrow::int64();
  for (int depth = 1; depth < kMaxTypeDepth; ++depth) {
    type = arrow::struct_({field("m", std::move(type))});
  }
  const auto schema = arrow::schema({field("key", arrow::int64()), field("deep", type)});
  const auto table = Make(schema, {.primary_key = {"key"}});
  std::string value = "7";
  for (int depth = 1; depth < kMaxTypeDepth; ++depth) value = "[" + value + "]";
  Put(table.get(), "[[1, " + value + "]]");
  ASSERT_OK(table->Alter({.add = {field("more", arrow::int32())}, .defaults = {}}));
  ExpectRows(table.get(), "[[1, " + value + ", null]]");
}

TEST_F(TableTest, KeysOfAnyBytesAreFoundAgain) {
  const auto schema = arrow::schema({field("key", arrow::binary()), field("n", arrow::int32())});
  const auto table = Make(schema, {.primary_key = {"key"}});
  const auto rows = [&](std::initializer_list<std::string> keys, int number) {
    arrow::BinaryBuilder key;
    arrow::Int32Builder n;
    for (const std::string& one : keys) EXPECT_TRUE(key.Append(one).ok() && n.Append(number).ok());
    return arrow::RecordBatch::Make(schema, static_cast<int64_t>(keys.size()),
                                    {Value(key.Finish()), Value(n.Finish())});
  };
  // No text of few bytes is behind such a key.
  const std::string last(300, '\xFF'), almost = std::string(299, '\xFF') + "a";
  ASSERT_OK(TryPut(table.get(), rows({"a", last}, 1)));
  ASSERT_OK(TryPut(table.get(), rows({last, almost}, 2)));
  ASSERT_OK(TryPut(table.get(), rows({last}, 3)));
  const auto head = Value(table->Head());
  EXPECT_EQ(ScanAll(head.get())->num_rows(), 3);
  EXPECT_EQ(head->row_count(), 3);
  EXPECT_EQ(Collect(Value(head->Lookup(rows({last}, 0)->SelectColumns({0}).ValueOrDie(), {})))
                ->num_rows(),
            1);
}

TEST_F(TableTest, PropertiesMayBeAsLargeAsNumbersAre) {
  MakeWeather();
  SetProperties(folder_.Join("t"), {{"tercet.row_group_rows", "9223372036854775807"},
                                    {"tercet.max_file_rows", "2"}});
  const auto table = Value(Table::Open(LocalFileSystem(), folder_.Join("t"), {}, &clock_));
  Put(table.get(), R"([["A", 1, 1], ["B", 2, 2], ["C", 3, 3], ["D", 4, 4], ["E", 5, 5]])");
  SetProperties(folder_.Join("t"), {{"tercet.max_file_rows", "9223372036854775807"}});
  Put(table.get(), R"([["F", 6, 6]])");
  EXPECT_EQ(ScanAll(Value(table->Head()).get())->num_rows(), 6);
}

TEST_F(TableTest, ACommitOfTheEndOfTimeIsNotCountedOnFrom) {
  const auto table = MakeWeather();
  const DeltaLog log(LocalFileSystem(), folder_.Join("t"));
  const CommitInfo info{{{"operation", "WRITE"},
                         {"txnId", "end"},
                         {"tercet", {{"operation", "append"}, {"commit_time_us", INT64_MAX}}}}};
  ASSERT_TRUE(Value(log.TryCommit(1, {info}, 1'600'000'000'000'000, "end")));
  const Commit commit = Put(table.get(), R"([["A", 1, 1]])");
  EXPECT_EQ(commit.commit_time_us, clock_.NowMicros());
}

TEST_F(TableTest, RefusesBadInput) {
  const auto table = MakeWeather();
  const auto schema = WeatherSchema();
  auto status = TryPut(table.get(), Rows(schema, R"([["A", 1, 1], ["A", 1, 2]])")).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr("origin=A"));
  EXPECT_TRUE(TryPut(table.get(), Rows(schema, R"([[null, 1, 1]])")).status().IsInvalid());
  EXPECT_TRUE(TryPut(table.get(), Rows(schema, R"([["A", null, 1]])")).status().IsInvalid());
  const auto wrong =
      arrow::schema({schema->field(0), schema->field(1), field("temp", arrow::utf8())});
  status = TryPut(table.get(), Rows(wrong, R"([["A", 1, "x"]])")).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr("'temp'"));
  const auto missing = arrow::schema({schema->field(0), schema->field(1)});
  EXPECT_TRUE(TryPut(table.get(), Rows(missing, R"([["A", 1]])")).status().IsInvalid());
  const auto naive = arrow::schema(
      {schema->field(0), field("at", arrow::timestamp(arrow::TimeUnit::MICRO)), schema->field(2)});
  EXPECT_TRUE(TryPut(table.get(), Rows(naive, R"([["A", 1, 1]])")).status().IsInvalid());
  EXPECT_EQ(Value(table->Head())->version(), 0);
  EXPECT_EQ(Value(LocalFileSystem()->List(folder_.Join("t"))).size(), 1);
}

}  // namespace
}  // namespace tercet
