#include "training/spine_file.h"

#include <filesystem>

#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/test_disk.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

/// The local disk, on which nothing more can be made durable: it is full.
class FullDisk : public TestDisk {
 public:
  Status SyncFile(const std::string&) override { return Full(); }
  Status SyncDirectory(const std::string&) override { return Full(); }
  Status PutIfAbsent(const std::string&, std::string_view, int64_t) override { return Full(); }
  Status Replace(const std::string&, std::string_view) override { return Full(); }

 private:
  static Status Full() { return Status::IOError("no space left on device"); }
};

class SpineFileTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::shared_ptr<arrow::Table> TableOf(const std::shared_ptr<arrow::ChunkedArray>& column) {
    return arrow::Table::Make(arrow::schema({arrow::field("x", column->type())}), {column});
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("tercet-test-" + NewUuid())).string();
};

TEST_F(SpineFileTest, TypesAndOrderComeBack) {
  for (const auto& type :
       {arrow::timestamp(arrow::TimeUnit::NANO, "Europe/Oslo"), arrow::int32(), arrow::int64()}) {
    const auto table = TableOf(std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{
        arrow::json::ArrayFromJSONString(type, "[3, null]").ValueOrDie(),
        arrow::json::ArrayFromJSONString(type, "[1]").ValueOrDie()}));
    const SpineFile file = WriteSpine(LocalFileSystem().get(), folder_, *table).ValueOrDie();
    const auto back = ReadSpine(LocalFileSystem().get(), folder_, file).ValueOrDie();
    EXPECT_TRUE(back->Equals(*table)) << back->ToString();
  }
}

TEST_F(SpineFileTest, CategoriesMayDifferFromChunkToChunk) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto chunk = [&](const char* dictionary) {
    return arrow::json::DictArrayFromJSONString(type, "[0, 1]", dictionary).ValueOrDie();
  };
  const auto table = TableOf(std::make_shared<arrow::ChunkedArray>(
      arrow::ArrayVector{chunk(R"(["a", "b"])"), chunk(R"(["c", "a"])")}));
  const SpineFile file = WriteSpine(LocalFileSystem().get(), folder_, *table).ValueOrDie();
  const auto back = ReadSpine(LocalFileSystem().get(), folder_, file).ValueOrDie();
  ASSERT_EQ(back->num_rows(), 4);
  const auto last = back->column(0)->GetScalar(2).ValueOrDie();
  EXPECT_EQ(static_cast<const arrow::DictionaryScalar&>(*last).GetEncodedValue().ValueOrDie()
                ->ToString(),
            "c");
}

TEST_F(SpineFileTest, AFullDiskLeavesNoFile) {
  FullDisk full;
  const auto table = TableOf(std::make_shared<arrow::ChunkedArray>(
      arrow::json::ArrayFromJSONString(arrow::int64(), "[1]").ValueOrDie()));
  const Status refused = WriteSpine(&full, folder_, *table).status();
  EXPECT_TRUE(refused.IsIOError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("no space left on device"));
  EXPECT_TRUE(LocalFileSystem()->List(folder_).ValueOrDie().empty());
}

}  // namespace
}  // namespace tercet
