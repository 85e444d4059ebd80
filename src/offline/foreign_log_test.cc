// Logs that other engines wrote, well and badly: what is read, and what a refusal says.
#include <filesystem>
#include <fstream>

#include <parquet/arrow/writer.h>

#include "base/time_text.h"
#include "offline/run_file.h"
#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;
using testing::Test;

constexpr std::string_view kKeySchema =
    R"({"name":"key","type":"long","nullable":true,"metadata":{}})";

/// A table's folder that a test writes line by line.
class ForeignLogTest : public Test {
 protected:
  static std::string Protocol(int reader, int writer, const std::string& features = "[]") {
    const std::string lists =
        reader < 3 ? ""
                   : R"(,"readerFeatures":)" + features + R"(,"writerFeatures":)" + features;
    return R"({"protocol":{"minReaderVersion":)" + std::to_string(reader) +
           R"(,"minWriterVersion":)" + std::to_string(writer) + lists + "}}";
  }

  /// Fields as JSON objects, separated by commas.
  static std::string Metadata(std::string_view fields, const std::string& configuration = "{}") {
    const json::object metadata{
        {"id", "00000000-0000-0000-0000-000000000000"},
        {"format", {{"provider", "parquet"}, {"options", json::object()}}},
        {"schemaString", R"({"type":"struct","fields":[)" + std::string(fields) + "]}"},
        {"partitionColumns", json::array()},
        {"configuration", ParseJson(configuration).ValueOrDie()}};
    return ToText(json::object{{"metaData", metadata}});
  }

  static std::string Add(const std::string& path, const std::string& stats = "") {
    json::object add{{"path", path},
                     {"partitionValues", json::object()},
                     {"size", 1000},
                     {"modificationTime", 1000},
                     {"dataChange", true}};
    if (!stats.empty()) add["stats"] = stats;
    return ToText(json::object{{"add", add}});
  }

  static std::string Info(const json::object& members) {
    return ToText(json::object{{"commitInfo", members}});
  }

  void PutText(const std::string& name, const std::vector<std::string>& lines) {
    const std::string path = folder_.Join("_delta_log/" + name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream file(path);
    for (const std::string& line : lines) file << line << "\n";
  }

  void PutCommit(int version, const std::vector<std::string>& lines) {
    char name[32];
    std::snprintf(name, sizeof(name), "%020d.json", version);
    PutText(name, lines);
  }

  void PutFile(const std::string& name, const std::shared_ptr<arrow::RecordBatch>& rows) {
    const auto table = Value(arrow::Table::FromRecordBatches({rows}));
    std::filesystem::create_directories(std::filesystem::path(folder_.Join(name)).parent_path());
    auto sink = Value(LocalFileSystem()->Create(folder_.Join(name)));
    ASSERT_OK(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), sink, 1 << 20));
    ASSERT_OK(sink->Close());
  }

  /// Files of one column "key".
  void PutKeys(const std::string& name, const std::string& keys) {
    PutFile(name, Rows(arrow::schema({field("key", arrow::int64())}), keys));
  }

  Result<std::shared_ptr<Table>> Open(const TableOptions& options = {.primary_key = {"key"}}) {
    return Table::Open(LocalFileSystem(), folder_.path(), options, SystemClock());
  }

  std::string ScanText(const std::shared_ptr<Table>& table) {
    const auto snapshot = Value(table->Head());
    const auto rows = ScanAll(snapshot.get());
    return Value(rows->ToStructArray())->ToString();
  }

  static void ExpectSays(const Status& status, const std::vector<std::string>& parts) {
    ASSERT_FALSE(status.ok());
    for (const std::string& part : parts) {
      EXPECT_NE(status.ToString().find(part), std::string::npos)
          << "'" << part << "' is not in: " << status.ToString();
    }
  }

  const TestFolder folder_;
};

TEST_F(ForeignLogTest, RefusesALogWithoutProtocol) {
  PutCommit(0, {Metadata(kKeySchema)});
  const Status status = Open().status();
  EXPECT_TRUE(status.IsIOError());
  ExpectSays(status, {"no protocol", folder_.path(), "commit 0"});
}

TEST_F(ForeignLogTest, RefusesALogWithoutMetadata) {
  PutCommit(0, {Protocol(1, 2)});
  PutCommit(1, {Add("a.parquet")});
  const Status status = Open().status();
  EXPECT_TRUE(status.IsIOError());
  ExpectSays(status, {"no metadata", folder_.path(), "commit 1"});
}

TEST_F(ForeignLogTest, ReadsMetadataThatGetsItsSchemaLater) {
  PutCommit(0, {Protocol(1, 2), R"({"metaData":{"id":"0","format":{"provider":"parquet"}}})"});
  ExpectSays(Open().status(), {"no metadata with a schema", "commit 0"});
  PutKeys("a.parquet", R"([{"key": 1}])");
  PutCommit(1, {Metadata(kKeySchema), Add("a.parquet")});
  EXPECT_NE(ScanText(Value(Open())).find("1"), std::string::npos);
}

TEST_F(ForeignLogTest, LeavesOutRowsWithoutAKeyOrAnEventTime) {
  PutCommit(0, {Protocol(1, 2),
                Metadata(std::string(kKeySchema) +
                         R"(,{"name":"at","type":"timestamp","nullable":true,"metadata":{}})"),
                Add("a.parquet"), Add("b.parquet")});
  const auto schema = arrow::schema(
      {field("key", arrow::int64()), field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
  PutFile("a.parquet", Rows(schema, R"([{"key": 2, "at": 5}, {"key": null, "at": 6},
                                        {"key": 1, "at": null}, {"key": 1, "at": 7}])"));
  PutFile("b.parquet", Rows(schema, R"([{"key": null, "at": 1}])"));
  const TableOptions timed{.primary_key = {"key"}, .event_time = "at"};
  const auto snapshot = Value(Value(Open(timed))->Head());
  EXPECT_TRUE(ScanAll(snapshot.get())
                  ->Equals(*Rows(schema, R"([{"key": 1, "at": 7}, {"key": 2, "at": 5}])")));
}

TEST_F(ForeignLogTest, RefusesAnUnknownFeatureByName) {
  PutCommit(0, {Protocol(3, 7, R"(["timeMachine"])"), Metadata(kKeySchema)});
  const Status status = Open().status();
  EXPECT_TRUE(status.IsNotImplemented());
  ExpectSays(status, {"'timeMachine'", folder_.path(), "commit 0"});
}

TEST_F(ForeignLogTest, RefusesVariantColumnsByName) {
  PutCommit(0, {Protocol(3, 7, "[]"),
                Metadata(std::string(kKeySchema) +
                         R"(,{"name":"v","type":"variant","nullable":true,"metadata":{}})")});
  const Status status = Open().status();
  EXPECT_TRUE(status.IsNotImplemented());
  ExpectSays(status, {"'v'", "variant", folder_.path()});
}

TEST_F(ForeignLogTest, ReadsATableWhoseUnknownFeatureWasDropped) {
  PutCommit(0, {Protocol(3, 7, R"(["timeMachine"])"), Metadata(kKeySchema)});
  PutKeys("a.parquet", R"([{"key": 1}])");
  PutCommit(1, {Protocol(1, 2), Add("a.parquet")});
  const auto table = Value(Open());
  EXPECT_EQ(Value(table->Head())->version(), 1);
  ExpectSays(table->AtVersion(0).status(), {"'timeMachine'", "commit 0"});
}

TEST_F(ForeignLogTest, AKeyColumnMayComeLater) {
  PutCommit(0, {Protocol(1, 2),
                Metadata(R"({"name":"other","type":"long","nullable":true,"metadata":{}})")});
  PutCommit(1, {Metadata(R"({"name":"other","type":"long","nullable":true,"metadata":{}},)" +
                         std::string(kKeySchema))});
  PutFile("a.parquet", Rows(arrow::schema({field("key", arrow::int64()),
                                           field("other", arrow::int64())}),
                            R"([{"key": 1, "other": 2}])"));
  PutCommit(2, {Add("a.parquet")});
  const auto table = Value(Open());
  EXPECT_EQ(ScanAll(Value(table->Head()).get())->num_rows(), 1);
  ExpectSays(table->AtVersion(0).status(), {"no column 'key'", "commit 0"});
}

TEST_F(ForeignLogTest, NamesTheCommitThatIsMissing) {
  PutCommit(0, {Protocol(1, 2), Metadata(kKeySchema)});
  PutCommit(2, {Add("a.parquet")});
  const auto table = Open();
  const Status status = table.ok() ? (*table)->AtVersion(2).status() : table.status();
  ExpectSays(status, {"gap", folder_.path(), "00000000000000000001.json"});
}

TEST_F(ForeignLogTest, NamesTheFileThatIsMissing) {
  PutCommit(0, {Protocol(1, 2), Metadata(kKeySchema), Add("gone.parquet")});
  const auto table = Value(Open());
  const auto snapshot = Value(table->Head());
  const auto reader = Value(snapshot->Scan({}));
  const Status status = reader->ToTable().status();
  EXPECT_TRUE(status.IsIOError());
  ExpectSays(status, {folder_.Join("gone.parquet"), "missing", "commit 0"});
}

TEST_F(ForeignLogTest, NamesTheFileWhoseStatisticsAreWrong) {
  PutKeys("a.parquet", R"([{"key": 1}, {"key": 2}])");
  PutCommit(0, {Protocol(1, 2), Metadata(kKeySchema), Add("a.parquet", R"({"numRecords":3})")});
  const auto table = Value(Open());
  const auto snapshot = Value(table->Head());
  const auto reader = Value(snapshot->Scan({}));
  ExpectSays(reader->ToTable().status(), {folder_.Join("a.parquet"), "2 rows", "3"});
}

TEST_F(ForeignLogTest, OpensNoFileWhoseStatisticsRuleItOut) {
  const auto schema = arrow::schema({field("key", arrow::int64()),
                                     field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
  PutFile("early.parquet", Rows(schema, R"([{"key": 1, "at": "2024-01-01T00:00:00"}])"));
  const auto stats = [](const std::string& time) {
    return R"({"numRecords":1,"minValues":{"key":1,"at":")" + time + R"("},"maxValues":{"key":1,)" +
           R"("at":")" + time + R"("}})";
  };
  // The late file is not there at all: a reader of January has no reason to look.
  const std::vector<std::string> adds = {Add("early.parquet", stats("2024-01-01T00:00:00.000Z")),
                                         Add("late.parquet", stats("2024-02-01T00:00:00.000Z"))};
  std::vector<std::string> lines = {
      Protocol(1, 2),
      Metadata(std::string(kKeySchema) +
               R"(,{"name":"at","type":"timestamp","nullable":true,"metadata":{}})")};
  lines.insert(lines.end(), adds.begin(), adds.end());
  PutCommit(0, lines);
  const auto snapshot =
      Value(Value(Open({.primary_key = {"key"}, .event_time = "at"}))->Head());
  const int64_t january_us = Value(ParseTime("2024-01-01")),
                february_us = Value(ParseTime("2024-02-01"));
  ScanOptions january;
  january.start_us = january_us;
  january.end_us = february_us;
  EXPECT_EQ(ScanAll(snapshot.get(), january)->num_rows(), 1);
  ScanOptions both = january;
  both.end_us = february_us + 1;
  ExpectSays(Value(snapshot->Scan(both))->ToTable().status(), {"late.parquet", "missing"});
}

TEST_F(ForeignLogTest, ClocksThatGoBackAreMadeToGoOn) {
  // Delta's rule: a commit's time is its own, or the one before and a little, whichever is later.
  PutCommit(0, {Info({{"timestamp", 5000}}), Protocol(1, 2), Metadata(kKeySchema)});
  PutCommit(1, {Info({{"timestamp", 3000}})});
  PutCommit(2, {Info({{"timestamp", 9000}})});
  PutCommit(3, {Info({{"timestamp", 4000}})});
  const auto table = Value(Open());
  const auto commits = Value(table->Commits());
  ASSERT_EQ(commits.size(), 4);
  EXPECT_EQ(commits[0].commit_time_us, 5'000'000);
  EXPECT_EQ(commits[2].commit_time_us, 9'000'000);
  for (size_t i = 1; i < commits.size(); ++i) {
    EXPECT_GT(commits[i].commit_time_us, commits[i - 1].commit_time_us);
    EXPECT_EQ(Value(table->AtTime(commits[i].commit_time_us))->version(), commits[i].version);
  }
  EXPECT_EQ(Value(table->AtTime(8'000'000))->version(), 1);
  ExpectSays(table->AtTime(4'000'000).status(), {"no commit at or before"});
}

TEST_F(ForeignLogTest, TakesTheTimeThatIsInACommit) {
  PutCommit(0, {Info({{"inCommitTimestamp", 7000}, {"timestamp", 1000}}), Protocol(1, 2),
                Metadata(kKeySchema)});
  PutCommit(1, {Info({{"inCommitTimestamp", 7001}, {"timestamp", 9000}})});
  const auto table = Value(Open());
  EXPECT_EQ(Value(table->Head())->commit_time_us(), 7'001'000);
  EXPECT_EQ(Value(table->AtTime(7'000'500))->version(), 0);
}

TEST_F(ForeignLogTest, ReadsACheckpointOfVersionTwoWithSidecars) {
  PutKeys("a.parquet", R"([{"key": 1}])");
  PutKeys("b.parquet", R"([{"key": 2}])");
  PutKeys("c.parquet", R"([{"key": 3}])");
  const std::string protocol = Protocol(3, 7, R"(["v2Checkpoint"])");
  // The checkpoint's top level is JSON and lists one file; another is in a sidecar.
  const auto entry = arrow::struct_({field("path", arrow::utf8()), field("size", arrow::int64()),
                                     field("modificationTime", arrow::int64())});
  PutFile("_delta_log/_sidecars/files.parquet",
          Rows(arrow::schema({field("add", entry)}),
               R"([{"add": {"path": "b.parquet", "size": 10, "modificationTime": 5}}])"));
  PutText("00000000000000000003.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json",
          {R"({"checkpointMetadata":{"version":3}})", protocol, Metadata(kKeySchema),
           Add("a.parquet"), R"({"sidecar":{"path":"files.parquet","sizeInBytes":1}})"});
  PutText("_last_checkpoint", {R"({"version":3,"size":5})"});
  PutCommit(4, {Add("c.parquet")});
  const auto table = Value(Open());
  EXPECT_EQ(ScanAll(Value(table->Head()).get())->num_rows(), 3);
  EXPECT_EQ(ScanAll(Value(table->AtVersion(3)).get())->num_rows(), 2);
  EXPECT_TRUE(table->AtVersion(2).status().IsKeyError());

  std::filesystem::remove(folder_.Join("_delta_log/_sidecars/files.parquet"));
  ExpectSays(Open().status(), {"files.parquet"});
}

TEST_F(ForeignLogTest, ErasureReachesSidecarsAndWhatWasDerivedFromTheLog) {
  PutKeys("a.parquet", R"([{"key": 1}, {"key": 2}])");
  const std::string stats = R"({"numRecords":2,"minValues":{"key":1},"maxValues":{"key":2}})";
  const std::string protocol = Protocol(3, 7, R"(["v2Checkpoint"])");
  PutCommit(0, {protocol, Metadata(kKeySchema), Add("a.parquet", stats)});
  const auto entry = arrow::struct_({field("path", arrow::utf8()), field("size", arrow::int64()),
                                     field("stats", arrow::utf8())});
  PutFile("_delta_log/_sidecars/files.parquet",
          Rows(arrow::schema({field("add", entry)}),
               R"([{"add": {"path": "a.parquet", "size": 10, "stats": "{\"numRecords\":2}"}}])"));
  const std::string checkpoint =
      "00000000000000000000.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
  PutText(checkpoint, {R"({"checkpointMetadata":{"version":0}})", protocol, Metadata(kKeySchema),
                       R"({"sidecar":{"path":"files.parquet","sizeInBytes":1}})"});
  const std::vector<std::string> derived = {
      "00000000000000000000.crc", ".00000000000000000000.json.crc",
      "00000000000000000000.00000000000000000001.compacted.json"};
  for (const std::string& name : derived) PutText(name, {Add("a.parquet", stats)});
  const auto table = Value(Open());
  const auto keys = arrow::schema({field("key", arrow::int64())});
  EXPECT_EQ(Value(table->Erase(Rows(keys, R"([{"key": 1}])"))).rows, 1);
  for (const std::string& name : derived) {
    EXPECT_FALSE(std::filesystem::exists(folder_.Join("_delta_log/" + name))) << name;
  }
  for (const std::string& name : {checkpoint, std::string("_sidecars/files.parquet")}) {
    EXPECT_FALSE(std::filesystem::exists(folder_.Join("_delta_log/" + name))) << name;
  }
  ExpectEqual(*ScanAll(Value(Value(Open())->Head()).get()), *Rows(keys, R"([{"key": 2}])"));
}

TEST_F(ForeignLogTest, FindsMappedColumnsByNameAndById) {
  const std::string fields =
      R"({"name":"key","type":"long","nullable":true,"metadata":)"
      R"({"delta.columnMapping.id":1,"delta.columnMapping.physicalName":"col-1"}},)"
      R"({"name":"place","type":{"type":"struct","fields":[{"name":"city","type":"string",)"
      R"("nullable":true,"metadata":{"delta.columnMapping.id":3,)"
      R"("delta.columnMapping.physicalName":"col-3"}}]},"nullable":true,"metadata":)"
      R"({"delta.columnMapping.id":2,"delta.columnMapping.physicalName":"col-2"}})";
  const auto id = [](int number) {
    return arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(number)});
  };
  const auto city = field("col-3", arrow::utf8())->WithMetadata(id(3));
  PutFile("a.parquet",
          Rows(arrow::schema({field("col-1", arrow::int64())->WithMetadata(id(1)),
                              field("col-2", arrow::struct_({city}))->WithMetadata(id(2))}),
               R"([{"col-1": 1, "col-2": {"col-3": "Oslo"}}])"));
  // By id the names in a file say nothing.
  const auto odd_city = field("y", arrow::utf8())->WithMetadata(id(3));
  PutFile("b.parquet",
          Rows(arrow::schema({field("key", arrow::int64())->WithMetadata(id(9)),
                              field("x", arrow::int64())->WithMetadata(id(1)),
                              field("z", arrow::struct_({odd_city}))->WithMetadata(id(2))}),
               R"([{"key": 7, "x": 1, "z": {"y": "Oslo"}}])"));
  const auto expected = Rows(
      arrow::schema({field("key", arrow::int64()),
                     field("place", arrow::struct_({field("city", arrow::utf8())}))}),
      R"([{"key": 1, "place": {"city": "Oslo"}}])");
  for (const auto& [mode, file] : {std::pair("name", "a.parquet"), std::pair("id", "a.parquet"),
                                   std::pair("id", "b.parquet")}) {
    PutCommit(0, {Protocol(2, 5),
                  Metadata(fields, std::string(R"({"delta.columnMapping.mode":")") + mode + "\"}"),
                  Add(file)});
    const auto table = Value(Open());
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *expected);
  }
}

TEST_F(ForeignLogTest, ReadsFilesFromBeforeTypesWereWidened) {
  PutFile("a.parquet",
          Rows(arrow::schema({field("key", arrow::int32()), field("x", arrow::float32()),
                              field("day", arrow::date32()),
                              field("s", arrow::struct_({field("n", arrow::int16())}))}),
               R"([{"key": 1, "x": 0.5, "day": 1, "s": {"n": 3}}])"));
  PutCommit(
      0, {Protocol(3, 7, R"(["typeWidening","timestampNtz"])"),
          Metadata(std::string(kKeySchema) +
                   R"(,{"name":"x","type":"double","nullable":true,"metadata":{}})"
                   R"(,{"name":"day","type":"timestamp_ntz","nullable":true,"metadata":{}})"
                   R"(,{"name":"s","type":{"type":"struct","fields":[{"name":"n","type":"long",)"
                   R"("nullable":true,"metadata":{}},{"name":"m","type":"void","nullable":true,)"
                   R"("metadata":{}}]},"nullable":true,"metadata":{}})"),
          Add("a.parquet")});
  const auto table = Value(Open());
  ExpectEqual(
      *ScanAll(Value(table->Head()).get()),
      *Rows(arrow::schema(
                {field("key", arrow::int64()), field("x", arrow::float64()),
                 field("day", arrow::timestamp(arrow::TimeUnit::MICRO)),
                 field("s", arrow::struct_({field("n", arrow::int64()),
                                            field("m", arrow::null())}))}),
            R"([{"key": 1, "x": 0.5, "day": "1970-01-02", "s": {"n": 3, "m": null}}])"));
}

TEST_F(ForeignLogTest, KeepsRowsWithoutAKeyWhateverIsWritten) {
  const auto schema = arrow::schema({field("key", arrow::int64()), field("x", arrow::int64())});
  // All that the table's files hold without a key, whoever reads them.
  const auto keyless = [&] {
    std::vector<int64_t> found;
    const TableStatePtr state = Value(DeltaLog(LocalFileSystem(), folder_.path())
                                          .Load(std::nullopt, {.primary_key = {"key"}}));
    for (const DataFilePtr& file : state->OrderedFiles()) {
      const auto run =
          Value(RunFile::Open(LocalFileSystem(), folder_.path(), file, state->columns));
      for (size_t g = 0; g < run->row_groups().size(); ++g) {
        const auto rows = Value(run->Read(static_cast<int>(g), *schema));
        for (int64_t i = 0; i < rows->num_rows(); ++i) {
          const int64_t number = run->row_groups()[g].first_row + i;
          if (rows->column(0)->IsValid(i) ||
              std::binary_search(run->deleted().begin(), run->deleted().end(), number)) {
            continue;
          }
          found.push_back(static_cast<const arrow::Int64Array&>(*rows->column(1)).Value(i));
        }
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  const std::vector<int64_t> expected = {-2, -1};
  for (const char* copied_rows : {"0", "100000"}) {
    for (const int64_t memory : {int64_t{1}, int64_t{1} << 30}) {
      std::filesystem::remove_all(folder_.path());
      PutFile("a.parquet", Rows(schema, R"([{"key": 5, "x": 5}, {"key": null, "x": -1},
                                            {"key": 4, "x": 4}, {"key": 3, "x": 3},
                                            {"key": null, "x": -2}, {"key": 1, "x": 1}])"));
      PutCommit(0, {Protocol(1, 2),
                    Metadata(std::string(kKeySchema) +
                                 R"(,{"name":"x","type":"long","nullable":true,"metadata":{}})",
                             std::string(R"({"tercet.copy_on_write_rows":")") + copied_rows +
                                 "\"}"),
                    Add("a.parquet")});
      const auto table = Value(Table::Open(LocalFileSystem(), folder_.path(),
                                           {.primary_key = {"key"}}, SystemClock(),
                                           {.limit_bytes = memory}));
      const auto upserted = Rows(schema, R"([{"key": 4, "x": 40}, {"key": 6, "x": 60}])");
      const Commit upsert =
          Value(table->Write(Reader({upserted}), {.mode = InsertMode::kUpsert}));
      EXPECT_EQ(upsert.rows_updated, 1);
      EXPECT_EQ(keyless(), expected);
      const auto keys = arrow::schema({field("key", arrow::int64())});
      EXPECT_EQ(Value(table->Delete(Reader({Rows(keys, R"([{"key": 5}])")}))).rows_deleted, 1);
      ASSERT_OK(table->Compact());
      EXPECT_EQ(keyless(), expected);
      const auto left = Rows(schema, R"([{"key": 1, "x": 1}, {"key": 3, "x": 3},
                                         {"key": 4, "x": 40}, {"key": 6, "x": 60}])");
      ExpectEqual(*ScanAll(Value(table->Head()).get()), *left);
      const int64_t version = Value(table->Head())->version();
      EXPECT_EQ(Value(table->Compact()).version, version);  // they are not merged again and again
      EXPECT_EQ(Value(table->Erase(Rows(keys, R"([{"key": 3}])"))).rows, 1);
      EXPECT_EQ(keyless(), expected);
      TableAlteration wider;
      wider.add = {field("y", arrow::int64())};
      wider.defaults["y"] = arrow::MakeScalar(int64_t{7});
      ASSERT_OK(table->Alter(wider));
      EXPECT_EQ(keyless(), expected);
      EXPECT_EQ(ScanAll(Value(table->Head()).get())->num_rows(), 3);
    }
  }
}

TEST_F(ForeignLogTest, ACheckpointsFilesCanBeTakenOutAndPutBack) {
  const auto schema = arrow::schema({field("key", arrow::int64())});
  const auto table = Value(Table::Create(LocalFileSystem(), folder_.path(), schema,
                                         {.primary_key = {"key"}}, SystemClock()));
  SetProperties(folder_.path(), {{"delta.checkpointInterval", "4"}});
  for (const char* rows : {R"([{"key": 1}])", R"([{"key": 2}])", R"([{"key": 3}])"}) {
    ASSERT_OK(table->Write(Reader({Rows(schema, rows)}), {}));
  }
  ASSERT_TRUE(std::filesystem::exists(
      folder_.Join("_delta_log/00000000000000000004.checkpoint.parquet")));
  const DeltaLog log(LocalFileSystem(), folder_.path());
  const auto at_checkpoint = Value(log.Load(std::nullopt, {}));
  EXPECT_EQ(at_checkpoint->files.size(), 3);
  EXPECT_EQ(at_checkpoint->files.row_count(), 3);
  const AddFile first = at_checkpoint->OrderedFiles().at(0)->add;
  ASSERT_TRUE(Value(log.TryCommit(5, {RemoveFile::Of(first, 1, true)}, 0, "a")));
  const auto without = Value(log.Advance(at_checkpoint, {}));
  EXPECT_EQ(without->files.size(), 2);
  EXPECT_FALSE(without->files.Contains(first));
  EXPECT_EQ(at_checkpoint->files.size(), 3);  // a published state stays as it is
  ASSERT_TRUE(Value(log.TryCommit(6, {first}, 0, "b")));
  const auto again = Value(log.Load(std::nullopt, {}));
  EXPECT_EQ(again->files.size(), 3);
  EXPECT_TRUE(again->files.Contains(first));
  // Put again as it was: still one logical file, of the newer commit.
  ASSERT_TRUE(Value(log.TryCommit(7, {first}, 0, "c")));
  EXPECT_EQ(Value(log.Load(std::nullopt, {}))->files.size(), 3);
  EXPECT_EQ(ScanAll(Value(table->Head()).get())->num_rows(), 3);
}

}  // namespace
}  // namespace tercet
