#include "offline/file_stats.h"

#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;

TEST(FileStats, MembersOfStructsHaveTheirOwn) {
  const auto schema = arrow::schema(
      {field("s", arrow::struct_({field("n", arrow::int32()), field("t", arrow::utf8()),
                                  field("in", arrow::struct_({field("x", arrow::float64())})),
                                  field("l", arrow::list(arrow::int32()))})),
       field("none", arrow::struct_({field("n", arrow::int32())}))});
  const auto rows = Rows(schema, R"([[{"n": 9, "t": "z", "in": {"x": 0.5}, "l": [1]}, null],
                                     [null, null],
                                     [{"n": 3, "t": "b", "in": null, "l": null}, {"n": null}]])");
  const std::string expected =
      R"({"numRecords":3,"minValues":{"s":{"n":3,"t":"b","in":{"x":0.5}}},)"
      R"("maxValues":{"s":{"n":9,"t":"z","in":{"x":0.5}}},)"
      R"("nullCount":{"s":{"n":1,"t":1,"in":{"x":2},"l":2},"none":{"n":3}}})";
  EXPECT_EQ(ToText(ParseJson(Value(StatsText(*rows))).ValueOrDie()),
            ToText(ParseJson(expected).ValueOrDie()));
  // As much is known of rows that come in parts, which begin within the arrays.
  FileStats parts;
  ASSERT_OK(parts.Add(*rows->Slice(0, 1)));
  ASSERT_OK(parts.Add(*rows->Slice(1)));
  EXPECT_EQ(Value(parts.Text()), Value(StatsText(*rows)));
}

TEST(FileStats, TextThatIsNoUtf8HasNoBounds) {
  arrow::StringBuilder text;
  ASSERT_TRUE(text.Append("a").ok() && text.Append("\xFE\xFA").ok());
  const auto rows = arrow::RecordBatch::Make(arrow::schema({field("t", arrow::utf8())}), 2,
                                             {Value(text.Finish())});
  EXPECT_EQ(Value(StatsText(*rows)),
            R"({"numRecords":2,"minValues":{},"maxValues":{},"nullCount":{"t":0}})");
}

}  // namespace
}  // namespace tercet
