#include "source/parquet_sink.h"

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>

#include "base/id.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

/// Records of a batch with these values in a column.
std::vector<SinkRecord> Records(const std::vector<int64_t>& values,
                                const std::string& column = "value") {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  const auto rows = arrow::RecordBatch::Make(
      arrow::schema({arrow::field(column, arrow::int64())}),
      static_cast<int64_t>(values.size()), {builder.Finish().ValueOrDie()});
  std::vector<SinkRecord> records(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    records[i].rows = rows;
    records[i].row = static_cast<int64_t>(i);
  }
  return records;
}

class ParquetSinkTest : public ::testing::Test {
 protected:
  ParquetSinkTest() : folder_(fs::temp_directory_path() / ("tercet-sink-" + NewUuid())) {}
  ~ParquetSinkTest() override { fs::remove_all(folder_); }

  std::unique_ptr<RecordSink> Open(const ParquetSinkOptions& options = {}) {
    return OpenParquetSink(folder_, "late", options).ValueOrDie();
  }
  std::vector<fs::path> Ending(const std::string& suffix) const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().extension() == suffix) paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  /// The values of all files that readers see.
  std::vector<int64_t> Seen(const std::string& column = "value") const {
    std::vector<int64_t> values;
    for (const fs::path& path : Ending(".parquet")) {
      const auto file = arrow::io::ReadableFile::Open(path).ValueOrDie();
      const auto reader =
          parquet::arrow::OpenFile(file, arrow::default_memory_pool()).ValueOrDie();
      const auto table = reader->ReadTable().ValueOrDie();
      const auto found = table->GetColumnByName(column);
      if (found == nullptr) continue;
      for (const auto& chunk : found->chunks()) {
        const auto& numbers = static_cast<const arrow::Int64Array&>(*chunk);
        for (int64_t i = 0; i < numbers.length(); ++i) values.push_back(numbers.Value(i));
      }
    }
    std::sort(values.begin(), values.end());
    return values;
  }

  const fs::path folder_;
};

TEST_F(ParquetSinkTest, ReadersSeeWholeFilesOnly) {
  const auto sink = Open();
  EXPECT_FALSE(sink->publish_at());
  ASSERT_TRUE(sink->Write(Records({1, 2})).ok());
  ASSERT_TRUE(sink->Write(Records({3})).ok());
  EXPECT_TRUE(sink->publish_at());
  EXPECT_THAT(Ending(".parquet"), IsEmpty());
  ASSERT_TRUE(sink->Publish().ok());
  EXPECT_FALSE(sink->publish_at());
  EXPECT_THAT(Seen(), ElementsAre(1, 2, 3));
  EXPECT_EQ(Ending(".parquet").size(), 1);
  EXPECT_THAT(Ending(".journal"), IsEmpty());
  ASSERT_TRUE(sink->Publish().ok());  // there is nothing
  EXPECT_EQ(Ending(".parquet").size(), 1);
}

TEST_F(ParquetSinkTest, AFileIsFullBySizeOrAge) {
  const auto small = Open({.file_bytes = 1});
  const auto begun = RecordSink::TimePoint::clock::now();
  ASSERT_TRUE(small->Write(Records({1})).ok());
  EXPECT_LE(*small->publish_at(), RecordSink::TimePoint::clock::now());
  const auto old = Open({.age = std::chrono::seconds(600)});
  ASSERT_TRUE(old->Write(Records({2})).ok());
  EXPECT_GE(*old->publish_at(), begun + std::chrono::seconds(600));
}

TEST_F(ParquetSinkTest, OtherColumnsAreAFileOfTheirOwn) {
  const auto sink = Open();
  ASSERT_TRUE(sink->Write(Records({1})).ok());
  ASSERT_TRUE(sink->Write(Records({2}, "other")).ok());
  ASSERT_TRUE(sink->Write(Records({3})).ok());
  ASSERT_TRUE(sink->Publish().ok());
  EXPECT_EQ(Ending(".parquet").size(), 2);
  EXPECT_THAT(Seen(), ElementsAre(1, 3));
  EXPECT_THAT(Seen("other"), ElementsAre(2));
}

TEST_F(ParquetSinkTest, RecordsThatAreLeftOutAreNotWritten) {
  const auto sink = Open();
  const std::vector<SinkRecord> records = Records({1, 2, 3, 4});
  ASSERT_TRUE(sink->Write(std::vector<SinkRecord>{records[0], records[2], records[3]}).ok());
  ASSERT_TRUE(sink->Publish().ok());
  EXPECT_THAT(Seen(), ElementsAre(1, 3, 4));
}

TEST_F(ParquetSinkTest, WhatAProcessLeftIsPublishedByTheNext) {
  const auto alive = Open();
  ASSERT_TRUE(alive->Write(Records({7})).ok());
  {
    const auto dies = Open();
    ASSERT_TRUE(dies->Write(Records({1, 2})).ok());
    ASSERT_TRUE(dies->Write(Records({3})).ok());
  }
  // A write that the crash cut off in the middle, which nobody was told was kept.
  fs::path left;
  for (const fs::path& journal : Ending(".journal")) {
    if (left.empty() || fs::file_size(journal) > fs::file_size(left)) left = journal;
  }
  std::ofstream(left, std::ios::app) << std::string(40, '\1');
  const auto next = Open();
  EXPECT_THAT(Seen(), ElementsAre(1, 2, 3));
  EXPECT_EQ(Ending(".journal").size(), 1);  // of the one that is alive
  ASSERT_TRUE(alive->Publish().ok());
  EXPECT_THAT(Seen(), ElementsAre(1, 2, 3, 7));
}

TEST_F(ParquetSinkTest, AFolderThatCantBeMadeIsTold) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "file") << "x";
  const Status status = OpenParquetSink(folder_ / "file", "late").status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), HasSubstr("file"));
}

}  // namespace
}  // namespace tercet
