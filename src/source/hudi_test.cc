// Hudi tables that no golden one shows: savepoints behind which others were archived, seconds for
// instants, writers at work, logs beside old base files (tests/interop/test_hudi.py has the rest).
#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "source/hudi_columns.h"
#include "source/hudi_files.h"
#include "source/hudi_merge.h"
#include "source/hudi_timeline.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HudiTest : public ::testing::Test {
 protected:
  ~HudiTest() override { std::filesystem::remove_all(folder_); }

  void Put(const std::string& name, const std::string& text = "") {
    const std::string path = JoinPath(folder_, name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    ASSERT_TRUE(files_->Replace(path, text).ok());
  }

  void PutTable(int version, const std::string& more = "") {
    Put(".hoodie/hoodie.properties", "# Hudi's\nhoodie.table.version=" + std::to_string(version) +
                                         "\nhoodie.table.timeline.timezone=UTC\n" + more);
  }

  HudiTimeline Timeline() { return HudiTimeline::Read(files_.get(), folder_).ValueOrDie(); }

  /// The names of the files that count as of a write, a text for each slice, or the error.
  std::vector<std::string> FilesAsOf(const std::string& time) {
    const HudiTimeline timeline = Timeline();
    for (const HudiInstant& write : timeline.writes()) {
      if (write.time != time) continue;
      const auto slices = HudiSlicesAsOf(files_.get(), timeline, write);
      if (!slices.ok()) return {slices.status().ToString()};
      std::vector<std::string> names;
      for (const HudiSlice& slice : *slices) {
        std::string& name = names.emplace_back();
        if (!slice.base.empty()) name = slice.base.substr(folder_.size() + 1);
        for (const std::string& log : slice.logs) name += "+" + log.substr(folder_.size() + 1);
      }
      return names;
    }
    return {"no such write"};
  }

  const std::shared_ptr<FileSystem> files_ = LocalFileSystem();
  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("tercet-" + NewUuid())).string();
};

TEST_F(HudiTest, CountsFilesOfCompletedAndOfArchivedWrites) {
  PutTable(6);
  // 3 has a savepoint and stays while 4 was archived; the active timeline begins at 5.
  for (const char* name : {"3.commit", "3.savepoint", "5.commit.requested", "5.inflight",
                           "5.commit", "6.commit.requested", "6.inflight", "8.commit"}) {
    Put(std::string(".hoodie/") + name);
  }
  Put("x/a-0_0-1-1_2.parquet");  // archived
  Put("x/a-0_0-1-1_4.parquet");  // archived
  Put("x/b-0_0-1-1_5.parquet");
  Put("x/b-0_0-1-1_6.parquet");  // of a writer at work
  Put("x/b-0_0-1-1_7.parquet");  // of one that was rolled back
  Put("x/y/c-0_0-1-1_8.parquet");
  Put("x/notes.txt");
  Put("x/.hoodie_partition_metadata");
  EXPECT_THAT(FilesAsOf("8"), ElementsAre("x/a-0_0-1-1_4.parquet", "x/b-0_0-1-1_5.parquet",
                                          "x/y/c-0_0-1-1_8.parquet"));
  EXPECT_THAT(FilesAsOf("5"), ElementsAre("x/a-0_0-1-1_4.parquet", "x/b-0_0-1-1_5.parquet"));
  EXPECT_THAT(FilesAsOf("3"), ElementsAre("x/a-0_0-1-1_2.parquet"));
}

TEST_F(HudiTest, LeavesOutReplacedFileGroups) {
  PutTable(6);
  Put(".hoodie/1.commit");
  Put(".hoodie/2.replacecommit", R"({"operationType": "CLUSTER",
      "partitionToReplaceFileIds": {"x": ["a"], "y": []}})");
  Put("x/a_0-1-1_1.parquet");
  Put("y/a_0-1-1_1.parquet");
  Put("x/b_0-1-1_2.parquet");
  EXPECT_THAT(FilesAsOf("1"), ElementsAre("x/a_0-1-1_1.parquet", "y/a_0-1-1_1.parquet"));
  EXPECT_THAT(FilesAsOf("2"), ElementsAre("x/b_0-1-1_2.parquet", "y/a_0-1-1_1.parquet"));
}

TEST_F(HudiTest, LogFilesAreOfTheirBaseFile) {
  PutTable(6);
  for (const char* name : {"1.deltacommit", "2.deltacommit", "3.commit", "4.deltacommit"}) {
    Put(std::string(".hoodie/") + name);
  }
  Put("x/a_0-1-1_1.parquet");
  Put("x/.a_1.log.10_0-2-2");  // on the base file of 1, before 3 compacted it
  Put("x/.a_1.log.9_0-2-2");
  Put("x/.a_3.log.1_0-2-2.cdc");
  Put("x/.a_3.log.x_0-2-2");
  Put("x/.b_2.log.1_0-2-2");  // has no base file yet
  EXPECT_THAT(FilesAsOf("2"),
              ElementsAre("x/a_0-1-1_1.parquet+x/.a_1.log.9_0-2-2+x/.a_1.log.10_0-2-2",
                          "+x/.b_2.log.1_0-2-2"));
  Put("x/.a_3.log.1_0-2-2");  // when 3 is planned but not done, it counts beside the older ones
  Put(".hoodie/3.compaction.requested");
  std::filesystem::remove(folder_ + "/.hoodie/3.commit");
  EXPECT_THAT(FilesAsOf("4"),
              ElementsAre("x/a_0-1-1_1.parquet+x/.a_1.log.9_0-2-2+x/.a_1.log.10_0-2-2"
                          "+x/.a_3.log.1_0-2-2",
                          "+x/.b_2.log.1_0-2-2"));
  Put(".hoodie/3.commit");
  Put("x/a_0-1-1_3.parquet");
  EXPECT_THAT(FilesAsOf("4"), ElementsAre("x/a_0-1-1_3.parquet+x/.a_3.log.1_0-2-2",
                                          "+x/.b_2.log.1_0-2-2"));
}

TEST_F(HudiTest, LogFilesOfVersionEightNameTheirWrite) {
  PutTable(8);
  for (const char* name : {"1_2.deltacommit", "3_4.deltacommit", "5_9.deltacommit", "6_7.commit"}) {
    Put(std::string(".hoodie/timeline/") + name);
  }
  Put("x/a_0-1-1_1.parquet");
  Put("x/a_0-1-1_6.parquet");
  Put("x/.a_3.log.1_0-2-2");
  EXPECT_THAT(FilesAsOf("6"), ElementsAre("x/a_0-1-1_6.parquet"));
  EXPECT_THAT(FilesAsOf("5"), ElementsAre("x/a_0-1-1_1.parquet+x/.a_3.log.1_0-2-2"));
  Put("x/.a_5.log.1_0-2-2");  // asked for before the compaction, done after it began
  EXPECT_THAT(FilesAsOf("6"), ElementsAre("x/a_0-1-1_6.parquet+x/.a_5.log.1_0-2-2"));
  Put("x/.a_0.log.1_0-2-2");  // archived: done before the compaction, or not
  EXPECT_THAT(FilesAsOf("6"), ElementsAre(HasSubstr("whether the log file")));
}

TEST_F(HudiTest, MergesAsThePropertiesSay) {
  const auto rule = [&](const std::string& properties) -> std::string {
    PutTable(9, properties);
    const auto found = HudiMergeRule::Of(Timeline());
    if (!found.ok()) return found.status().message();
    std::string text = "by '" + found->order_by + "'";
    if (!found->base_may_be_later) text += ", base is older";
    if (found->silent == HudiMergeRule::Silent::kNulls) text += ", nulls are silent";
    if (found->silent == HudiMergeRule::Silent::kMarker) {
      text += ", '" + found->marker + "' is silent";
    }
    if (found->delete_column.empty()) return text;
    return text + ", deleted by " + found->delete_column + "=" + found->delete_marker;
  };
  const std::string order = "hoodie.table.precombine.field=n\n";
  const std::string payload = "hoodie.compaction.payload.class=org.apache.hudi.common.model.";
  EXPECT_EQ(rule(order), "by 'n'");
  EXPECT_EQ(rule(""), "by ''");
  EXPECT_EQ(rule(order + payload + "DefaultHoodieRecordPayload\n"), "by 'n'");
  EXPECT_EQ(rule(order + payload + "OverwriteWithLatestAvroPayload\n"),
            "by '', base is older");
  EXPECT_EQ(rule("hoodie.table.ordering.fields=m\nhoodie.record.merge.mode=EVENT_TIME_ORDERING\n"),
            "by 'm'");
  EXPECT_EQ(rule(order + "hoodie.record.merge.mode=COMMIT_TIME_ORDERING\n"),
            "by '', base is older");
  EXPECT_EQ(rule(order + payload + "AWSDmsAvroPayload\n"),
            "by '', base is older, deleted by Op=D");
  EXPECT_EQ(rule(order + payload + "PartialUpdateAvroPayload\n"), "by 'n', nulls are silent");
  EXPECT_EQ(rule("hoodie.table.partial.update.mode=FILL_UNAVAILABLE\n"
                 "hoodie.record.merge.property.hoodie.write.partial.update.unavailable.value=?\n"
                 "hoodie.record.merge.property.hoodie.payload.delete.field=op\n"
                 "hoodie.record.merge.property.hoodie.payload.delete.marker=d\n"),
            "by '', '?' is silent, deleted by op=d");
  EXPECT_THAT(rule("hoodie.compaction.payload.class=org.apache.spark.sql.hudi.command.payload."
                   "ExpressionPayload\n"),
              HasSubstr("(ExpressionPayload): compact"));
  EXPECT_THAT(rule("hoodie.record.merge.mode=CUSTOM\n"), HasSubstr("code of its own"));
  EXPECT_THAT(rule("hoodie.table.ordering.fields=a,b\n"), HasSubstr("several columns (a,b)"));
  EXPECT_THAT(rule("hoodie.table.partial.update.mode=FILL_DEFAULTS\n"), HasSubstr("by column"));
  EXPECT_THAT(rule("hoodie.populate.meta.fields=false\n"), HasSubstr("without their keys"));
  PutTable(6, order + payload + "OverwriteWithLatestAvroPayload\n");
  const HudiMergeRule old = HudiMergeRule::Of(Timeline()).ValueOrDie();
  EXPECT_TRUE(old.deletes_are_unordered && old.order_by == "n" && !old.base_may_be_later);
}

TEST_F(HudiTest, KnowsTimesOfBothLengths) {
  PutTable(6);
  Put(".hoodie/20240301120000.commit");
  Put(".hoodie/20240301120001250.commit");
  const HudiTimeline timeline = Timeline();
  ASSERT_EQ(timeline.writes().size(), 2U);
  EXPECT_EQ(timeline.TimeOf(timeline.writes()[0]).ValueOrDie(), 1'709'294'400'999'000);
  EXPECT_EQ(timeline.TimeOf(timeline.writes()[1]).ValueOrDie(), 1'709'294'401'250'000);
  EXPECT_EQ(timeline.writes()[1].version(), 20'240'301'120'001'250);
  Put(".hoodie/7.commit");
  EXPECT_TRUE(Timeline().TimeOf(Timeline().writes()[2]).status().IsInvalid());
}

TEST_F(HudiTest, DescribesWrites) {
  PutTable(6, "hoodie.table.create.schema={\"type\"\\:\"record\"}\n");
  Put(".hoodie/1.commit", R"({"operationType": "UPSERT", "partitionToWriteStats": {"x": [
      {"numInserts": 3, "numUpdateWrites": 2, "numDeletes": 1}, {"numInserts": 4}]},
      "extraMetadata": {"schema": "s", "latest_schema": "{}"}})");
  Put(".hoodie/2.commit", R"({"partitionToWriteStats": {"x": 7}})");
  Put(".hoodie/3.commit");
  const HudiTimeline timeline = Timeline();
  EXPECT_EQ(timeline.create_schema(), R"({"type":"record"})");
  const auto described = timeline.Describe(files_.get(), timeline.writes()[0]).ValueOrDie();
  EXPECT_EQ(described.operation, "upsert");
  EXPECT_EQ(described.schema, "s");
  EXPECT_TRUE(described.evolved_by_id);
  EXPECT_EQ(described.rows_inserted, 7);
  EXPECT_EQ(described.rows_updated, 2);
  EXPECT_EQ(described.rows_deleted, 1);
  EXPECT_THAT(timeline.Describe(files_.get(), timeline.writes()[1]).status().message(),
              HasSubstr("2.commit"));
  EXPECT_TRUE(timeline.Describe(files_.get(), timeline.writes()[2]).ok());
}

TEST(HudiColumns, AreTypedAsDuckDbHasThem) {
  const auto type = [](const std::string& avro) {
    const auto columns = HudiColumns(
        R"({"type": "record", "name": "r", "fields": [{"name": "_hoodie_file_name", "type":
            "string"}, {"name": "c", "type": )" + avro + "}]}");
    return columns.ok() ? columns->at(0).type : columns.status().message();
  };
  EXPECT_EQ(type(R"(["null", "int"])"), "INTEGER");
  EXPECT_EQ(type(R"(["null", {"type": "long", "logicalType": "timestamp-micros"}])"),
            "TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(type(R"({"type": "fixed", "name": "f", "size": 5, "logicalType": "decimal",
                     "precision": 10, "scale": 2})"), "DECIMAL(10, 2)");
  EXPECT_EQ(type(R"({"type": "array", "items": {"type": "map", "values": "string"}})"),
            "MAP(VARCHAR, VARCHAR)[]");
  EXPECT_EQ(type(R"({"type": "record", "name": "p", "fields": [{"name": "x\"y", "type":
                     "double"}]})"), R"(STRUCT("x""y" DOUBLE))");
  EXPECT_THAT(type(R"(["int", "string"])"), HasSubstr("'c': a union of several types"));
  EXPECT_THAT(type(R"("other")"), HasSubstr("the type 'other'"));
  EXPECT_TRUE(HudiColumns(R"({"type": "record", "fields": []})").status().IsInvalid());
}

}  // namespace
}  // namespace tercet
