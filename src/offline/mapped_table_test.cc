// Tables with column mapping, and with what newer Delta writers put on by themselves: row ids,
// times in commits, metadata domains.
#include <fstream>

#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;
using testing::Test;

/// A column as Delta's schema has it under column mapping.
json::object Mapped(std::string_view name, const json::value& type, int id) {
  return {{"name", name},
          {"type", type},
          {"nullable", true},
          {"metadata",
           {{"delta.columnMapping.id", id},
            {"delta.columnMapping.physicalName", "col-" + std::to_string(id)}}}};
}

class MappedTableTest : public Test {
 protected:
  /// Makes an empty table of a key, a time and a struct.
  std::shared_ptr<Table> Make(const std::string& mode, const json::array& writer_features = {},
                              const json::object& properties = {}) {
    json::array features{"columnMapping", "changeDataFeed", "deletionVectors"};
    for (const json::value& feature : writer_features) features.push_back(feature);
    const json::object place{{"type", "struct"},
                             {"fields", json::array{Mapped("city name", "string", 4)}}};
    const json::object schema{
        {"type", "struct"},
        {"fields", json::array{Mapped("key", "long", 1), Mapped("at", "timestamp", 2),
                               Mapped("place", place, 3)}}};
    json::object configuration{{"delta.columnMapping.mode", mode},
                               {"delta.columnMapping.maxColumnId", "4"},
                               {"delta.enableChangeDataFeed", "true"},
                               {"tercet.copy_on_write_rows", "2"}};
    for (const auto& [name, value] : properties) configuration[name] = value;
    const json::object protocol{{"minReaderVersion", 3},
                                {"minWriterVersion", 7},
                                {"readerFeatures", {"columnMapping", "deletionVectors"}},
                                {"writerFeatures", features}};
    const json::object metadata{{"id", "1"},
                                {"format", {{"provider", "parquet"}}},
                                {"schemaString", ToText(schema)},
                                {"partitionColumns", json::array()},
                                {"configuration", configuration}};
    std::filesystem::create_directories(folder_.Join("_delta_log"));
    std::ofstream(folder_.Join("_delta_log/00000000000000000000.json"))
        << ToText(json::object{{"commitInfo", {{"timestamp", 1000}, {"inCommitTimestamp", 1000}}}})
        << "\n" << ToText(json::object{{"protocol", protocol}}) << "\n"
        << ToText(json::object{{"metaData", metadata}}) << "\n";
    return Value(Table::Open(LocalFileSystem(), folder_.path(),
                             {.primary_key = {"key"}, .event_time = "at"}, SystemClock()));
  }

  std::shared_ptr<arrow::Schema> Schema() const {
    const auto city = field("city name", arrow::utf8());
    return arrow::schema({field("key", arrow::int64()),
                          field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                          field("place", arrow::struct_({city}))});
  }

  TableStatePtr State() const {
    return Value(DeltaLog(LocalFileSystem(), folder_.path()).Load(std::nullopt, {}));
  }

  const TestFolder folder_;
};

TEST_F(MappedTableTest, WritesFilesUnderTheNamesAndIdsOfTheMapping) {
  for (const char* mode : {"name", "id"}) {
    std::filesystem::remove_all(folder_.path());
    const auto table = Make(mode);
    const auto rows = Rows(Schema(), R"([{"key": 1, "at": 0, "place": {"city name": "Oslo"}},
                                         {"key": 2, "at": 0, "place": null},
                                         {"key": 3, "at": 0, "place": {"city name": "Bern"}},
                                         {"key": 4, "at": 0, "place": null}])");
    ASSERT_OK(table->Write(Reader({rows}), {.mode = InsertMode::kUpsert}));
    const AddFile add = State()->OrderedFiles().at(0)->add;
    const auto file = parquet::ParquetFileReader::OpenFile(folder_.Join(add.path));
    const auto& root = *file->metadata()->schema()->group_node();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(root.field(i)->name(), "col-" + std::to_string(i + 1));
      EXPECT_EQ(root.field(i)->field_id(), i + 1);
    }
    const auto& place = static_cast<const parquet::schema::GroupNode&>(*root.field(2));
    EXPECT_EQ(place.field(0)->name(), "col-4");
    EXPECT_EQ(place.field(0)->field_id(), 4);
    const json::object stats = Value(ParseJsonObject(add.stats));
    EXPECT_EQ(stats.at("minValues").at("col-1").as_int64(), 1);
    EXPECT_EQ(stats.at("maxValues").at("col-3").at("col-4").as_string(), "Oslo");
    EXPECT_EQ(stats.at("nullCount").at("col-3").at("col-4").as_int64(), 2);
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *rows);
  }
}

TEST_F(MappedTableTest, UpsertsDeletesCompactsErasesAndTellsChanges) {
  for (const char* mode : {"name", "id"}) {
    std::filesystem::remove_all(folder_.path());
    const auto table = Make(mode);
    const auto rows = Rows(Schema(), R"([{"key": 1, "at": 0, "place": {"city name": "Oslo"}},
                                         {"key": 2, "at": 0, "place": {"city name": "Rome"}},
                                         {"key": 3, "at": 0, "place": {"city name": "Bern"}},
                                         {"key": 4, "at": 0, "place": {"city name": "Bonn"}}])");
    ASSERT_OK(table->Write(Reader({rows}), {}));
    // One row of four: by a deletion vector. Then of two by a copy.
    const auto changed = Rows(Schema(), R"([{"key": 2, "at": 0, "place": null}])");
    EXPECT_EQ(Value(table->Write(Reader({changed}), {.mode = InsertMode::kUpsert})).rows_updated,
              1);
    EXPECT_TRUE(State()->OrderedFiles().at(0)->add.vector.has_value());
    const auto key = arrow::schema({field("key", arrow::int64())});
    EXPECT_EQ(Value(table->Delete(Reader({Rows(key, R"([{"key": 3}, {"key": 4}])")}))).rows_deleted,
              2);
    const auto left = Rows(Schema(), R"([{"key": 1, "at": 0, "place": {"city name": "Oslo"}},
                                         {"key": 2, "at": 0, "place": null}])");
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *left);
    const auto changes = Collect(Value(table->Changes(1, 3)));
    EXPECT_EQ(changes->num_rows(), 4);
    EXPECT_EQ(changes->GetColumnByName("place")->null_count(), 1);
    ASSERT_OK(table->Compact());
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *left);
    EXPECT_EQ(Value(table->Erase(Rows(key, R"([{"key": 1}])"))).rows, 1);
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *left->Slice(1));
    ASSERT_OK(table->Vacuum({.retention_us = 0}, {}));
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *left->Slice(1));
  }
}

TEST_F(MappedTableTest, AddsColumnsWithIdsAndNamesOfTheirOwn) {
  const auto table = Make("name");
  const auto rows = Rows(Schema(), R"([{"key": 1, "at": 0, "place": {"city name": "Oslo"}}])");
  ASSERT_OK(table->Write(Reader({rows}), {}));
  TableAlteration alteration;
  alteration.add = {field("n", arrow::int32()),
                    field("m", arrow::list(arrow::struct_({field("x", arrow::float64())})))};
  alteration.defaults["n"] = arrow::MakeScalar(int32_t{7});
  ASSERT_OK(table->Alter(alteration));
  const TableStatePtr state = State();
  EXPECT_EQ(*state->Property("delta.columnMapping.maxColumnId"), "7");
  const json::array fields = Value(FindArray(
      Value(ParseJsonObject(state->metadata.schema_string)), "fields"));
  EXPECT_EQ(fields[2], json::value(Mapped("place", fields[2].at("type"), 3)));  // as it was
  EXPECT_EQ(fields[2].at("type").at("fields").at(0).at("metadata").at("delta.columnMapping.id"), 4);
  EXPECT_EQ(fields[3].at("metadata").at("delta.columnMapping.id"), 5);
  const json::value& member = fields[4].at("type").at("elementType").at("fields").at(0);
  EXPECT_EQ(member.at("metadata").at("delta.columnMapping.id"), 7);
  EXPECT_TRUE(member.at("metadata").at("delta.columnMapping.physicalName").as_string().starts_with(
      "col-"));
  auto wider = Schema();
  for (const auto& added : alteration.add) {
    wider = Value(Result<std::shared_ptr<arrow::Schema>>(
        wider->AddField(wider->num_fields(), added)));
  }
  ASSERT_OK(table->Write(
      Reader({Rows(wider, R"([{"key": 2, "at": 0, "place": null, "n": 8, "m": [{"x": 0.5}]}])")}),
      {.mode = InsertMode::kUpsert}));
  const auto all = ScanAll(Value(table->Head()).get());
  EXPECT_EQ(all->GetColumnByName("n")->ToString(), Rows(arrow::schema({field("n", arrow::int32())}),
                                                        R"([{"n": 7}, {"n": 8}])")
                                                       ->column(0)
                                                       ->ToString());
  EXPECT_EQ(all->GetColumnByName("m")->null_count(), 1);
}

TEST_F(MappedTableTest, GivesRowsIdsAndCommitsTimes) {
  const auto table = Make("name", {"rowTracking", "domainMetadata", "inCommitTimestamp"},
                          {{"delta.enableRowTracking", "true"},
                           {"delta.enableInCommitTimestamps", "true"},
                           {"delta.checkpointInterval", "3"}});
  const DeltaLog log(LocalFileSystem(), folder_.path());
  ASSERT_TRUE(Value(log.TryCommit(
      1, {CommitInfo{{{"inCommitTimestamp", 2000}}},
          DomainMetadata{.domain = "delta.rowTracking",
                         .configuration = R"({"rowIdHighWaterMark":9})"},
          DomainMetadata{.domain = "mine", .configuration = "kept"}},
      0, "none")));
  const auto rows = Rows(Schema(), R"([{"key": 1, "at": 0}, {"key": 2, "at": 0},
                                       {"key": 3, "at": 0}, {"key": 4, "at": 0}])");
  ASSERT_OK(table->Write(Reader({rows}), {}));
  AddFile first = State()->OrderedFiles().at(0)->add;
  EXPECT_EQ(first.row_ids.base, 10);
  EXPECT_EQ(first.row_ids.commit_version, 2);
  // The file that gets a vector keeps its ids; the new row's is above all.
  ASSERT_OK(table->Write(Reader({rows->Slice(0, 1)}), {.mode = InsertMode::kUpsert}));
  ASSERT_TRUE(std::filesystem::exists(
      folder_.Join("_delta_log/00000000000000000003.checkpoint.parquet")));
  const TableStatePtr state = State();  // from the checkpoint
  EXPECT_EQ(state->domains.at("mine"), "kept");
  EXPECT_EQ(state->domains.at("delta.rowTracking"), R"({"rowIdHighWaterMark":14})");
  ASSERT_EQ(state->files.size(), 2);
  EXPECT_EQ(state->OrderedFiles().at(0)->add.row_ids.base, 10);
  EXPECT_EQ(state->OrderedFiles().at(0)->add.row_ids.commit_version, 2);
  EXPECT_EQ(state->OrderedFiles().at(1)->add.row_ids.base, 14);
  EXPECT_EQ(state->OrderedFiles().at(1)->add.row_ids.commit_version, 3);
  int64_t last_ms = 2000;
  for (const char* preserved : {"true", "false"}) {
    const LogCommit commit = Value(log.ReadCommit(preserved[0] == 't' ? 2 : 3));
    const json::object& info = commit.info();
    EXPECT_EQ(info.at("tags").at("delta.rowTracking.preserved").as_string(), preserved);
    EXPECT_GT(info.at("inCommitTimestamp").as_int64(), last_ms);
    last_ms = info.at("inCommitTimestamp").as_int64();
    EXPECT_EQ(info.at("tercet").at("commit_time_us").as_int64() / 1000, last_ms);
  }
}

TEST_F(MappedTableTest, WhatASuspendedOrUnknownFeatureAsks) {
  const auto table = Make("name", {"rowTracking", "domainMetadata", "clustering", "v2Checkpoint"},
                          {{"delta.rowTrackingSuspended", "true"}});
  const auto rows = Rows(Schema(), R"([{"key": 1, "at": 0}])");
  ASSERT_OK(table->Write(Reader({rows}), {}));
  EXPECT_FALSE(State()->OrderedFiles().at(0)->add.row_ids.base.has_value());
  std::filesystem::remove_all(folder_.path());
  const Status refused =
      Make("name", {"icebergCompatV2"})->Write(Reader({rows}), {}).status();
  EXPECT_TRUE(refused.IsNotImplemented());
  EXPECT_NE(refused.message().find("icebergCompatV2"), std::string::npos);
}

}  // namespace
}  // namespace tercet
