#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/iceberg_name_mapping.h"
#include "source/iceberg_paths.h"
#include "source/iceberg_relation.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

TEST(IcebergPaths, FollowATableThatWasMoved) {
  const std::string folder = ::testing::TempDir() + "iceberg_paths_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder + "/data");
  IcebergPaths paths(folder, "s3://bucket/old/");
  EXPECT_EQ(paths.Find("s3://bucket/old/data/1.parquet").ValueOrDie(), folder + "/data/1.parquet");
  EXPECT_EQ(IcebergPaths(folder, "./old").Find("old/data/1.parquet").ValueOrDie(),
            folder + "/data/1.parquet");
  EXPECT_EQ(paths.Find("file://" + folder + "/data/1.parquet").ValueOrDie(),
            folder + "/data/1.parquet");
  EXPECT_THAT(paths.Find("s3://bucket/older/1.parquet").status().message(),
              HasSubstr("no file of this machine"));
  EXPECT_THAT(paths.Find("s3://bucket/old/../1.parquet").status().message(),
              HasSubstr("outside the table's folder"));
  std::filesystem::create_symlink("/etc/hostname", folder + "/data/link.parquet");
  EXPECT_THAT(paths.Find("s3://bucket/old/data/link.parquet").status().message(),
              HasSubstr("outside the table's folder"));
  std::filesystem::remove_all(folder);
}

TEST(IcebergNameMapping, SaysWhatIsNone) {
  EXPECT_TRUE(IcebergNameMapping::Parse(R"([{"field-id": 1, "names": ["a", "b"]}, {"names":
                                            ["gone"]}])").ok());
  for (const char* bad :
       {"", "{}", "[1]", R"([{"field-id": "1"}])", R"([{"names": [1]}])",
        R"([{"field-id": 1, "names": ["a"]}, {"field-id": 2, "names": ["a"]}])"}) {
    EXPECT_THAT(IcebergNameMapping::Parse(bad).status().message(),
                HasSubstr("schema.name-mapping.default"))
        << bad;
  }
}

/// The files that the relation tells of in a table.
std::vector<std::string> Listed(const IcebergRelation& relation, const std::string& table) {
  std::vector<std::string> names;
  const auto column = relation.tables.at(table)->GetColumnByName("listed");
  for (const auto& chunk : column->chunks()) {
    const auto& texts = static_cast<const arrow::StringArray&>(*chunk);
    for (int64_t i = 0; i < texts.length(); ++i) names.push_back(texts.GetString(i));
  }
  return names;
}

IcebergFile File(const std::string& name, int64_t sequence, int64_t partition) {
  IcebergFile file;
  file.path = file.listed = name;
  file.sequence = sequence;
  file.partition = partition;
  return file;
}

TEST(IcebergRelation, JoinsDeletesWithWhatTheyMayBeOf) {
  IcebergPlan plan;
  plan.columns = plan.compared = {{1, "a", "BIGINT", "NULL"}};
  plan.data = {File("old", 1, 0), File("same", 2, 0), File("other", 1, 1), File("named", 5, 2),
               File("new", 6, 2)};
  plan.equality_deletes = {File("e", 2, 0)};
  plan.equality_deletes[0].equality_ids = {1};
  plan.position_deletes = {File("p", 5, 2)};
  plan.position_deletes[0].referenced = "named";
  auto relation = RelationOf(plan, "vectors").ValueOrDie();
  EXPECT_EQ(Listed(relation, "files0"), (std::vector<std::string>{"old", "named"}));
  EXPECT_EQ(Listed(relation, "files1"), std::vector<std::string>{"p"});
  EXPECT_EQ(Listed(relation, "files2"), std::vector<std::string>{"e"});
  EXPECT_THAT(relation.text, HasSubstr("['same', 'other', 'new']"));
  plan.equality_deletes[0].global = true;
  relation = RelationOf(plan, "vectors").ValueOrDie();
  EXPECT_EQ(Listed(relation, "files0"), (std::vector<std::string>{"old", "other", "named"}));
}

TEST(IcebergRelation, LeavesOutFilesOfOtherTimes) {
  IcebergPlan plan;
  plan.columns = {{1, "a", "BIGINT", "NULL"}};
  plan.data = {File("early", 1, 0), File("late", 1, 0), File("unknown", 1, 0)};
  plan.data[0].first_us = 10, plan.data[0].last_us = 20;
  plan.data[1].first_us = 20, plan.data[1].last_us = 30;
  EXPECT_THAT(RelationOf(plan, "", 21, std::nullopt)->text, HasSubstr("['late', 'unknown']"));
  EXPECT_THAT(RelationOf(plan, "", 20, 21)->text, HasSubstr("['early', 'late', 'unknown']"));
  EXPECT_THAT(RelationOf(plan, "", std::nullopt, 20)->text, HasSubstr("['early', 'unknown']"));
}

TEST(IcebergRelation, TakesValuesOfPartitionsForColumnsThatFilesLack) {
  IcebergPlan plan;
  plan.columns = {
      {1, "a", "BIGINT", "NULL"}, {2, "day", "DATE", "NULL"}, {3, "n", "INTEGER", "'7'"}};
  plan.data = {File("x", 1, 0)};
  plan.data[0].names = {{1, "A"}};
  plan.data[0].partition_values[2] = "19000";
  EXPECT_THAT(RelationOf(plan, "")->text,
              HasSubstr("SELECT d.c1 AS \"a\", (DATE '1970-01-01' + CAST(f.v2 AS INTEGER)) AS "
                        "\"day\", CAST('7' AS INTEGER) AS \"n\" FROM read_parquet(['x'], schema = "
                        "MAP {'A': {name: 'c1'"));
  plan.columns[1].type = "UUID";
  EXPECT_THAT(RelationOf(plan, "").status().message(), HasSubstr("column 'day' of the type UUID"));
}

/// Files of either kind are never compared one by one: this is a hundred million pairs.
TEST(IcebergRelation, IsQuickWithManyFiles) {
  IcebergPlan plan;
  plan.columns = plan.compared = {{1, "a", "BIGINT", "NULL"}};
  constexpr int kFiles = 10'000, kPartitions = 100;
  for (int i = 0; i < kFiles; ++i) {
    plan.data.push_back(File("/t/data/" + std::to_string(i), i, i % kPartitions));
    plan.equality_deletes.push_back(File("/t/e/" + std::to_string(i), i, i % kPartitions / 2));
    plan.equality_deletes.back().equality_ids = {1};
  }
  const auto relation = RelationOf(plan, "").ValueOrDie();
  EXPECT_EQ(Listed(relation, "files0").size(), kFiles / 2);
}

}  // namespace
}  // namespace tercet
