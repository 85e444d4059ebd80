#include "source/avro_rows.h"

#include <cstring>
#include <string>

#include <arrow/scalar.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source/test_avro.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;
using avro_bytes::Long;
using avro_bytes::Text;

std::string Double(double value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A schema of these fields, each a pair of its name and its type in JSON.
json::object Schema(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string text;
  for (const auto& [name, type] : fields) {
    text += (text.empty() ? "" : ", ") + ("{\"name\": \"" + name + "\", \"type\": " + type + "}");
  }
  return ParseJsonObject("{\"type\": \"record\", \"name\": \"r\", \"fields\": [" + text + "]}")
      .ValueOrDie();
}

/// The rows of one record, or the error.
std::string Read(const json::object& writer, const std::shared_ptr<arrow::Schema>& wanted,
                 const std::string& record) {
  const auto rows = AvroRows::Make(writer, wanted);
  if (!rows.ok()) return rows.status().ToString();
  const Status status = (*rows)->Append(record);
  if (!status.ok()) return status.ToString();
  const auto batch = (*rows)->Finish().ValueOrDie();
  EXPECT_TRUE(batch->ValidateFull().ok());
  std::string text;
  for (const auto& column : batch->columns()) {
    text += (text.empty() ? "" : " | ") + column->GetScalar(0).ValueOrDie()->ToString();
  }
  return text;
}

TEST(AvroRows, GiveWhatIsWantedByName) {
  const auto writer = Schema({{"a", R"(["null", "string"])"},
                              {"skipped", R"({"type": "map", "values": ["double", "null"]})"},
                              {"n", R"("int")"},
                              {"half", R"("float")"},
                              {"yes", R"(["boolean", "null"])"}});
  const float half = 0.5F;
  const std::string record = Long(1) + Text("ü") + Long(1) + Text("k") + Long(0) + Double(7) +
                             Long(0) + Long(-3) +
                             std::string(reinterpret_cast<const char*>(&half), 4) + Long(1);
  const auto wanted = [](const std::shared_ptr<arrow::DataType>& n) {
    return arrow::schema({arrow::field("half", arrow::float64()), arrow::field("n", n),
                          arrow::field("absent", arrow::utf8()), arrow::field("a", arrow::utf8()),
                          arrow::field("yes", arrow::boolean())});
  };
  for (const auto& type : {arrow::int32(), arrow::int64(), arrow::float32(), arrow::float64(),
                           arrow::utf8()}) {
    EXPECT_EQ(Read(writer, wanted(type), record), "0.5 | -3 | null | ü | null") << *type;
  }
  EXPECT_THAT(Read(writer, wanted(arrow::boolean()), record), HasSubstr("field 'n'"));
  EXPECT_THAT(Read(writer, wanted(arrow::int64()), record + "x"), HasSubstr("leaves 1 bytes"));
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_THAT(Read(writer, wanted(arrow::int64()), record.substr(0, size)),
                HasSubstr("cut off"));
  }
}

TEST(AvroRows, ReadLogicalAndNestedTypes) {
  const auto writer = Schema(
      {{"millis", R"({"type": "long", "logicalType": "timestamp-millis"})"},
       {"money", R"({"type": "fixed", "name": "m", "size": 3, "logicalType": "decimal",
                     "precision": 6, "scale": 1})"},
       {"kind", R"({"type": "enum", "name": "k", "symbols": ["x", "y"]})"},
       {"list", R"({"type": "array", "items": ["null", {"type": "record", "name": "p", "fields":
                    [{"name": "old", "type": "int"}, {"name": "x", "type": "int"}]}]})"},
       {"pairs", R"({"type": "map", "values": "p"})"}});
  const auto point = arrow::struct_({arrow::field("x", arrow::int64()),
                                     arrow::field("y", arrow::utf8())});
  const auto wanted = arrow::schema(
      {arrow::field("millis", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("money", arrow::decimal128(10, 2)), arrow::field("kind", arrow::utf8()),
       arrow::field("list", arrow::list(point)),
       arrow::field("pairs", arrow::map(arrow::utf8(), point))});
  const std::string record = Long(1500) + std::string("\xFF\xFF\x85", 3) + Long(1) +  //
                             Long(2) + Long(1) + Long(8) + Long(9) + Long(0) + Long(0) +
                             Long(-1) + Long(4) + Text("k") + Long(1) + Long(2) + Long(0);
  EXPECT_EQ(Read(writer, wanted, record),
            "1970-01-01 00:00:01.500000Z | -12.30 | y | "
            "list<item: struct<x: int64, y: string>>[{x:int64 = 9, y:string = null}, null] | "
            "map<string, struct<x: int64, y: string>>"
            "[{key:string = k, value:struct<x: int64, y: string> = {x:int64 = 2, y:string = "
            "null}}]");
}

TEST(AvroRows, RefuseWhatIsNoSchema) {
  const auto refused = [](const std::string& type) {
    return Read(Schema({{"a", type}}), arrow::schema({arrow::field("a", arrow::utf8())}), "");
  };
  EXPECT_THAT(refused(R"(["int", "string"])"), HasSubstr("field 'a': a union of several"));
  EXPECT_THAT(refused(R"("gone")"), HasSubstr("no type 'gone'"));
  EXPECT_THAT(refused(R"({"type": "array"})"), HasSubstr("of nothing"));
  EXPECT_THAT(refused(R"("r")"), HasSubstr("deep"));  // itself
  EXPECT_THAT(refused(R"({"type": "record", "name": "x", "fields": 1})"), HasSubstr("no list"));
}

TEST(AvroRows, MakeNoManyItemsOfNoBytes) {
  const auto writer = Schema({{"a", R"({"type": "array", "items": "null"})"}});
  EXPECT_THAT(Read(writer, arrow::schema({arrow::field("a", arrow::list(arrow::utf8()))}),
                   Long(int64_t{1} << 40) + Long(0)),
              HasSubstr("no bytes for them"));
}

}  // namespace
}  // namespace tercet
