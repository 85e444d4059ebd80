#include "source/iceberg_metadata.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

class IcebergMetadataTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/iceberg_metadata_test";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/metadata");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Put(const std::string& name, const std::string& text) {
    const std::string file = folder_ + "/metadata/" + name;
    std::ofstream(file) << text;
    return file;
  }
  Result<IcebergMetadata> Read(const std::string& location) {
    return ReadIcebergMetadata(LocalFileSystem().get(), location);
  }

  std::string folder_;
};

TEST_F(IcebergMetadataTest, ReadsSnapshotsAndTheirAncestry) {
  const std::string file = Put("v3.metadata.json", R"({"format-version": 2,
      "current-snapshot-id": 30, "snapshots": [
        {"snapshot-id": 10, "timestamp-ms": 1000, "summary": {"operation": "append",
         "added-records": "5"}},
        {"snapshot-id": 20, "timestamp-ms": 2000, "parent-snapshot-id": 10},
        {"snapshot-id": 30, "timestamp-ms": 3000, "parent-snapshot-id": 10,
         "summary": {"operation": "delete", "deleted-records": "2"}}]})");
  Put("version-hint.text", "3\n");
  for (const std::string& location : {file, folder_}) {
    const auto metadata = Read(location);
    ASSERT_TRUE(metadata.ok()) << metadata.status();
    EXPECT_EQ(metadata->current, 30);
    EXPECT_EQ(metadata->snapshots.size(), 3);
    const auto ancestry = metadata->Ancestry();  // without the branch that was left
    ASSERT_EQ(ancestry.size(), 2);
    EXPECT_EQ(ancestry[0].id, 10);
    EXPECT_EQ(ancestry[0].time_us, 1'000'000);
    EXPECT_EQ(ancestry[0].rows_added, 5);
    EXPECT_EQ(ancestry[1].operation, "delete");
    EXPECT_EQ(ancestry[1].rows_deleted, 2);
  }
}

TEST_F(IcebergMetadataTest, KnowsTablesWithoutSnapshots) {
  const auto metadata =
      Read(Put("v1.metadata.json", R"({"format-version": 1, "current-snapshot-id": -1})"));
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  EXPECT_FALSE(metadata->current.has_value());
  EXPECT_TRUE(metadata->Ancestry().empty());
}

TEST_F(IcebergMetadataTest, EndsAtACircleAndAtWhatHasExpired) {
  const auto metadata = Read(Put("v1.metadata.json", R"({"format-version": 2,
      "current-snapshot-id": 2, "snapshots": [
        {"snapshot-id": 1, "timestamp-ms": 1, "parent-snapshot-id": 2},
        {"snapshot-id": 2, "timestamp-ms": 2, "parent-snapshot-id": 1}]})"));
  ASSERT_TRUE(metadata.ok());
  EXPECT_EQ(metadata->Ancestry().size(), 2);
  const auto expired = Read(Put("v2.metadata.json", R"({"format-version": 2,
      "current-snapshot-id": 2, "snapshots": [
        {"snapshot-id": 2, "timestamp-ms": 2, "parent-snapshot-id": 1}]})"));
  ASSERT_TRUE(expired.ok());
  EXPECT_EQ(expired->Ancestry().size(), 1);
}

TEST_F(IcebergMetadataTest, FindsTheNewestWhereNoHintTells) {
  constexpr char kText[] = R"({"format-version": 2, "current-snapshot-id": -1})";
  Put("00009-a.metadata.json", kText);
  const std::string newest = Put("00010-b.metadata.json", kText);
  Put("v3.metadata.json", kText);
  Put("00011-c.avro", kText);
  Put("00012.stats", kText);
  const auto metadata = Read(folder_);
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  EXPECT_EQ(metadata->file, newest);
  // A writer that lost a race may have left one: only the catalog knows which.
  Put("00010-d.metadata.json", kText);
  EXPECT_THAT(Read(folder_).status().message(),
              HasSubstr("2 metadata files of version 10 (00010-b.metadata.json, "
                        "00010-d.metadata.json)"));
  Put("version-hint.text", "3");
  EXPECT_EQ(Read(folder_)->file, folder_ + "/metadata/v3.metadata.json");
}

TEST_F(IcebergMetadataTest, SaysWhatIsWrong) {
  const auto message = [&](const std::string& location) {
    const auto metadata = Read(location);
    return metadata.ok() ? "it was read" : metadata.status().message();
  };
  EXPECT_THAT(message(folder_), HasSubstr("no metadata/….metadata.json"));
  Put("version-hint.text", "7");
  EXPECT_THAT(message(folder_), HasSubstr("no metadata file of version 7"));
  Put("version-hint.text", "../../7");
  EXPECT_THAT(message(folder_), HasSubstr("names no version"));
  EXPECT_THAT(message(Put("v1.gz.metadata.json", "{}")), HasSubstr("v1.gz.metadata.json"));
  EXPECT_THAT(message(Put("v1.metadata.json", "{")), HasSubstr("v1.metadata.json"));
  EXPECT_THAT(message(Put("v2.metadata.json", "{}")), HasSubstr("format-version"));
  EXPECT_THAT(message(Put("v3.metadata.json", R"({"format-version": 2, "snapshots": [1]})")),
              HasSubstr("must be an object"));
  EXPECT_THAT(message(Put("v4.metadata.json", R"({"format-version": 2, "snapshots":
                      [{"snapshot-id": 1, "timestamp-ms": 9223372036854775807}]})")),
              HasSubstr("out of range"));
}

}  // namespace
}  // namespace tercet
