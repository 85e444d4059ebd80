#include "source/iceberg_rows.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/test_avro.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;
using avro_bytes::kMarker;
using avro_bytes::Long;
using avro_bytes::Text;

/// A file of blocks of records, each a count and its bytes.
std::string AvroFile(const std::string& fields,
                     const std::vector<std::pair<int64_t, std::string>>& blocks) {
  std::string text = std::string("Obj\x01", 4) + Long(1) + Text("avro.schema") +
                     Text(R"({"type": "record", "name": "table", "fields": [)" + fields + "]}") +
                     Long(0) + kMarker;
  for (const auto& [count, records] : blocks) {
    text += Long(count) + Text(records) + kMarker;
  }
  return text;
}

class IcebergRowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "iceberg_rows_test";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    files_.columns = {{1, "n", "BIGINT", "NULL", arrow::int64()},
                      {2, "name", "VARCHAR", "NULL", arrow::utf8()},
                      {3, "at", "TIMESTAMP", "NULL", arrow::timestamp(arrow::TimeUnit::MICRO)}};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Add(const std::string& name, const std::string& bytes,
           IcebergFile::Format format = IcebergFile::Format::kAvro) {
    IcebergFile file;
    file.format = format;
    file.path = file.listed = JoinPath(folder_, name);
    std::ofstream(file.path, std::ios::binary) << bytes;
    files_.files.push_back(file);
  }

  /// All rows as text, or the error.
  std::string Read(const std::vector<std::string>& columns) const {
    const auto table = MakeIcebergRows(LocalFileSystem(), files_);
    std::string text;
    const auto read = [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto parts, table->Parts(columns, 2));
      for (const SqlPart& part : parts) {
        ARROW_ASSIGN_OR_RAISE(const auto reader, part());
        ARROW_ASSIGN_OR_RAISE(const auto batches, reader->ToRecordBatches());
        for (const auto& batch : batches) {
          ARROW_RETURN_NOT_OK(batch->ValidateFull());
          for (int64_t row = 0; row < batch->num_rows(); ++row) {
            for (const auto& column : batch->columns()) {
              text += column->GetScalar(row).ValueOrDie()->ToString() + " ";
            }
            text += "| ";
          }
        }
      }
      return Status::OK();
    }();
    return read.ok() ? text : read.ToString();
  }

  std::string folder_;
  IcebergRowFiles files_;
};

constexpr char kNumber[] = R"({"name": "old", "type": "int", "field-id": 1})";

TEST_F(IcebergRowsTest, GoByIdsAndSayWhereTheyAre) {
  Add("a.avro", AvroFile(kNumber, {{2, Long(7) + Long(8)}, {0, ""}, {1, Long(9)}}));
  // A dropped column had the name that another has now; an int is a long, a day a time.
  Add("b.avro", AvroFile(R"({"name": "n", "type": ["null", "string"], "field-id": 9},
                            {"name": "at", "type": {"type": "int", "logicalType": "date"},
                             "field-id": 3},
                            {"name": "x", "type": "string", "field-id": 2})",
                         {{1, Long(0) + Long(1) + Text("ü")}}));
  files_.first = 4;
  EXPECT_EQ(Read({"c1", "file_index", "file_row_number", "has1"}),
            "7 4 0 true | 8 4 1 true | 9 4 2 true | null 5 0 false | ");
  EXPECT_EQ(Read({"c3", "c2", "has2"}),
            "null null false | null null false | null null false | "
            "1970-01-02 00:00:00.000000 ü true | ");
  EXPECT_EQ(Read({"file_row_number"}), "0 | 1 | 2 | 0 | ");
}

TEST_F(IcebergRowsTest, GoByNamesInFilesWithoutIds) {
  Add("a.avro", AvroFile(R"({"name": "was", "type": "long"}, {"name": "n", "type": "string"})",
                         {{1, Long(7) + Text("x")}}));
  files_.names = {{"was", 1}};
  EXPECT_EQ(Read({"c1", "c2", "has2"}), "7 null false | ");
}

TEST_F(IcebergRowsTest, RefuseWhatIsDamaged) {
  const std::string whole = AvroFile(kNumber, {{2, Long(7) + Long(8)}});
  const size_t header = AvroFile(kNumber, {}).size();
  for (size_t size = 0; size < whole.size(); ++size) {
    files_.files.clear();
    Add("a.avro", whole.substr(0, size));
    // Cut off behind its header it is a file without rows.
    const std::string read = Read({"c1"});
    EXPECT_EQ(read.find("Avro file '" + folder_ + "/a.avro'") == std::string::npos,
              size == header)
        << size << ": " << read;
  }
  const auto refused = [&](const std::string& bytes) {
    files_.files.clear();
    Add("a.avro", bytes);
    return Read({"c1"});
  };
  EXPECT_THAT(refused(AvroFile(kNumber, {{1, Long(7) + Long(8)}})), HasSubstr("don't fill"));
  EXPECT_THAT(refused(AvroFile(kNumber, {{0, Long(8)}})), HasSubstr("bytes and no rows"));
  EXPECT_THAT(refused(AvroFile("", {{int64_t{1} << 40, ""}})), HasSubstr("no bytes for them"));
  EXPECT_THAT(refused(AvroFile(R"({"name": "a", "type": "string", "field-id": 1})", {})),
              HasSubstr("field 'a': what the writer has can't become int64"));
  files_.files.clear();
  Add("a.orc", "ORC no more", IcebergFile::Format::kOrc);
  EXPECT_THAT(Read({"c1"}), HasSubstr("ORC file '" + folder_ + "/a.orc'"));
}

}  // namespace
}  // namespace tercet
