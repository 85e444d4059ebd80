#include "client/json_rows.h"

#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "client/wire.h"
#include "client/wire_error.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<arrow::Schema> Everything() {
  return arrow::schema({arrow::field("b", arrow::boolean()), arrow::field("i", arrow::int64()),
                        arrow::field("u", arrow::uint64()), arrow::field("f", arrow::float32()),
                        arrow::field("d", arrow::float64()), arrow::field("s", arrow::utf8()),
                        arrow::field("r", arrow::binary()), arrow::field("day", arrow::date32()),
                        arrow::field("us", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                        arrow::field("ns", arrow::timestamp(arrow::TimeUnit::NANO)),
                        arrow::field("m", arrow::decimal128(10, 3)),
                        arrow::field("l", arrow::list(arrow::int32())),
                        arrow::field("e", arrow::fixed_size_list(arrow::float32(), 2)),
                        arrow::field("o", arrow::struct_({arrow::field("x", arrow::int32()),
                                                          arrow::field("y", arrow::utf8())})),
                        arrow::field("k", arrow::map(arrow::utf8(), arrow::float64()))});
}

TEST(JsonRowsTest, RowsComeBackAsTheyWent) {
  const std::string text =
      R"([{"b":true,"i":-9223372036854775808,"u":18446744073709551615,"f":0.1,"d":5e-324,)"
      R"("s":"\"\\\n\u0001é","r":"/wA=","day":"1969-12-31","us":"2013-01-01T05:00:00.25Z",)"
      R"("ns":"1970-01-01T00:00:00","m":"-1.500","l":[1,null],)"
      R"("e":[0.5,null],"o":{"x":1,"y":null},"k":{"a":1.5}},)"
      R"({"b":null,"i":null,"u":null,"f":"NaN","d":"-Infinity","s":"","r":"","day":null,)"
      R"("us":null,"ns":null,"m":null,"l":[],"e":null,"o":null,"k":{}}])";
  const auto rows = RowsFromJson("row", ParseJson(text).ValueOrDie(), *Everything());
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_TRUE((*rows)->ValidateFull().ok());
  std::string written = "[";
  AppendJsonRow(**rows, 0, &written);
  written += ",";
  AppendJsonRow(**rows, 1, &written);
  written += "]";
  const auto again = RowsFromJson("row", ParseJson(written).ValueOrDie(), *Everything());
  ASSERT_TRUE(again.ok()) << again.status() << written;
  EXPECT_TRUE((*again)->Equals(**rows, false, arrow::EqualOptions().nans_equal(true))) << written;
  EXPECT_THAT(written, HasSubstr(R"("us":"2013-01-01T05:00:00.250000Z")"));
  EXPECT_THAT(written, HasSubstr(R"("d":5e-324)"));
}

TEST(JsonRowsTest, BytesMayBeWrittenAsTensorFlowServingsClientsDo) {
  const arrow::Schema raw({arrow::field("r", arrow::binary())});
  const auto rows = [&](const char* text) {
    return RowsFromJson("test", ParseJson(text).ValueOrDie(), raw);
  };
  const auto plain = rows(R"([{"r": "aGV5"}])").ValueOrDie();
  EXPECT_TRUE(rows(R"([{"r": {"b64": "aGV5"}}])").ValueOrDie()->Equals(*plain));
  for (const char* wrong : {R"([{"r": {"b65": "aGV5"}}])", R"([{"r": {"b64": 1}}])",
                            R"([{"r": {"b64": "aGV5", "x": 1}}])"}) {
    EXPECT_TRUE(rows(wrong).status().IsTypeError()) << rows(wrong).status();
  }
}

TEST(JsonRowsTest, TakesColumnsThatAppearAndRefusesOthers) {
  const auto read = [](const std::string& text) {
    return RowsFromJson("view 'v'", ParseJson(text).ValueOrDie(), *Everything());
  };
  EXPECT_EQ((*read(R"({"s": "a", "b": false})"))->schema()->field_names(),
            (std::vector<std::string>{"b", "s"}));
  EXPECT_EQ((*read("{}"))->num_rows(), 1);
  EXPECT_TRUE((*read(R"({"e": [[1], [2]]})"))->Equals(**read(R"({"e": [1, 2]})")));
  EXPECT_EQ((*read("[]"))->num_rows(), 0);
  EXPECT_THAT(read(R"({"dayy": 1})").status().message(),
              HasSubstr("view 'v' has no column 'dayy' (did you mean 'day'?)"));
  for (const char* text :
       {R"({"b": 1})", R"({"i": 1.5})", R"({"i": "1"})", R"({"i": 1e30})", R"({"u": -1})",
        R"({"d": "x"})", R"({"s": 1})", R"({"r": "%"})", R"({"day": "2013-01-01T01:00:00Z"})",
        R"({"m": "x"})", R"({"m": 12345678})", R"({"l": 1})", R"({"l": ["a"]})",
        R"({"e": [1]})", R"({"e": [1, 2, 3]})", R"({"e": [[1], "x"]})", R"({"o": {"z": 1}})",
        R"({"o": [1]})", R"({"k": [1]})", R"({"k": {"a": "b"}})", "3", "[1]",
        "null"}) {
    EXPECT_FALSE(read(text).ok()) << text;
  }
}

TEST(WireErrorTest, ErrorsComeBackAsTheyWent) {
  for (const Status& status :
       {Status::Invalid("a \"b\"\n"), Status::TypeError("t"), Status::KeyError("k"),
        Status::AlreadyExists("e"), Status::CapacityError("c"), Status::NotImplemented("n"),
        Status::Cancelled("c"), Status::IOError("i"), Status::ExecutionError("x"),
        Status::UnknownError("u")}) {
    const Status back = ErrorFromBody(HttpStatusOf(status), ToText(ErrorToJson(status)));
    EXPECT_EQ(back.code(), status.code());
    EXPECT_EQ(back.message(), status.message());
    EXPECT_GE(HttpStatusOf(status), 400);
  }
  EXPECT_TRUE(ErrorFromBody(502, "<html>").IsIOError());
}

TEST(WireTest, RequestsComeBackAsTheyWent) {
  const ReadRequest read{.columns = {"a", "b,c"}, .version = 3, .start_us = -5, .end_us = 7};
  EXPECT_EQ(ToJson(*ReadRequestFromJson(ToJson(read))), ToJson(read));
  const InsertRequest insert{
      .mode = InsertMode::kAppend, .idempotency_key = "k", .wait_online = true};
  EXPECT_EQ(ToJson(*InsertRequestFromJson(ToJson(insert))), ToJson(insert));
  EXPECT_TRUE(ReadRequestFromJson({{"colums", json::array()}}).status().IsInvalid());
  EXPECT_EQ(*FindTime({{"t", "1970-01-01T00:00:01Z"}}, "t"), 1'000'000);
  EXPECT_TRUE(FindTime({{"t", true}}, "t").status().IsInvalid());
}

TEST(JsonRowsTest, CellsAreThoseOfTheColumnsInAnyOrder) {
  const auto known = arrow::schema({arrow::field("id", arrow::int64()),
                                    arrow::field("x", arrow::float64()),
                                    arrow::field("city", arrow::utf8())});
  std::vector<Cell> cells;
  std::vector<uint64_t> numbers;
  for (const char* text : {R"({"id": 7, "x": 0.5, "city": "Oslo"})",
                           R"([{"city": "Oslo", "id": 7, "x": 0.5}])",
                           R"([{"x": 0.5, "id": 7, "city": "Oslo"}])"}) {
    const json::value rows = ParseJson(text).ValueOrDie();
    ASSERT_TRUE(CellsFromJson(rows, *known, 8, &cells, &numbers)) << text;
    ASSERT_EQ(cells.size(), 3u);
    EXPECT_EQ(cells[0].As<int64_t>(), 7);
    EXPECT_EQ(cells[1].As<double>(), 0.5);
    EXPECT_EQ(std::string_view(cells[2].data, cells[2].size), "Oslo");
  }
  for (const char* text : {R"({"id": 7, "x": 0.5})", R"({"id": 7, "x": 0.5, "cit": "Oslo"})",
                           R"({"id": 7, "x": 0.5, "city": "Oslo", "y": 1})",
                           R"({"id": 7.5, "x": 0.5, "city": "Oslo"})", "[]", "7"}) {
    const json::value rows = ParseJson(text).ValueOrDie();
    EXPECT_FALSE(CellsFromJson(rows, *known, 8, &cells, &numbers)) << text;
  }
}

}  // namespace
}  // namespace tercet
