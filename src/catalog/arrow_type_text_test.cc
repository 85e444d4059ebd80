#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/feature_group.h"

namespace tercet {
namespace {

TEST(TypeFromText, ReadsWhatArrowWrites) {
  const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::null(), arrow::boolean(), arrow::int8(), arrow::int16(), arrow::int32(),
      arrow::int64(), arrow::uint8(), arrow::uint16(), arrow::uint32(), arrow::uint64(),
      arrow::float16(), arrow::float32(), arrow::float64(), arrow::utf8(), arrow::large_utf8(),
      arrow::utf8_view(), arrow::binary(), arrow::large_binary(), arrow::binary_view(),
      arrow::fixed_size_binary(16), arrow::date32(), arrow::date64(),
      arrow::time32(arrow::TimeUnit::SECOND), arrow::time32(arrow::TimeUnit::MILLI),
      arrow::time64(arrow::TimeUnit::MICRO), arrow::time64(arrow::TimeUnit::NANO),
      arrow::timestamp(arrow::TimeUnit::SECOND), arrow::timestamp(arrow::TimeUnit::NANO),
      arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
      arrow::timestamp(arrow::TimeUnit::MICRO, "America/New_York"),
      arrow::timestamp(arrow::TimeUnit::MILLI, "+02:00"), arrow::duration(arrow::TimeUnit::MILLI),
      arrow::month_interval(), arrow::day_time_interval(), arrow::month_day_nano_interval(),
      arrow::decimal128(10, 2), arrow::decimal128(38, -3), arrow::decimal256(60, 5),
      arrow::smallest_decimal(5, 1), arrow::list(arrow::int64()),
      arrow::list(arrow::field("element", arrow::utf8(), false)),
      arrow::large_list(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
      arrow::fixed_size_list(arrow::float32(), 3), arrow::list(arrow::list(arrow::int8())),
      arrow::map(arrow::utf8(), arrow::float64()), arrow::struct_({}),
      arrow::struct_({arrow::field("a b", arrow::utf8()),
                      arrow::field("at", arrow::struct_({arrow::field("x", arrow::int8(), false)})),
                      arrow::field("m", arrow::list(arrow::map(arrow::int8(), arrow::utf8())))})};
  for (const auto& type : types) {
    const auto read = TypeFromText(type->ToString());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE((*read)->Equals(*type, /*check_metadata=*/true))
        << (*read)->ToString() << " for " << type->ToString();
  }
}

TEST(TypeFromText, ReadsAliases) {
  const std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>> aliases = {
      {"float64", arrow::float64()}, {"float32", arrow::float32()}, {"str", arrow::utf8()},
      {"object", arrow::utf8()}, {"bool_", arrow::boolean()}, {"Int64", arrow::int64()},
      {"datetime64[us]", arrow::timestamp(arrow::TimeUnit::MICRO)},
      {"datetime64[ns, UTC]", arrow::timestamp(arrow::TimeUnit::NANO, "UTC")},
      {"timedelta64[ns]", arrow::duration(arrow::TimeUnit::NANO)}, {"date", arrow::date32()},
      {"decimal(10, 2)", arrow::decimal128(10, 2)}, {"decimal(40,2)", arrow::decimal256(40, 2)},
      {"list<int64>", arrow::list(arrow::int64())}, {" double ", arrow::float64()},
      {"dictionary<values=string, indices=int32, ordered=0>", arrow::utf8()},
      {"list<item: run_end_encoded<run_ends: int32, values: date32[day]>>",
       arrow::list(arrow::date32())},
      {"list_view<item: int8>", arrow::list(arrow::int8())}};
  for (const auto& [text, type] : aliases) {
    const auto read = TypeFromText(text);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE((*read)->Equals(*type)) << text;
  }
}

TEST(TypeFromText, RefusesTheRestWithASuggestion) {
  EXPECT_THAT(TypeFromText("flaot64").status().message(),
              ::testing::HasSubstr("did you mean 'float64'?"));
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "list<";
  for (const std::string& bad : std::vector<std::string>{
           "", "int64x", "int64 int64", "timestamp[", "timestamp[us", "timestamp[h]",
           "timestamp[us, tz=]", "time32[us]", "time64[s]", "decimal128(99, 2)", "decimal128(x)",
           "decimal128(10, 2", "decimal128(99999999999, 1)", "list<", "list<int64",
           "struct<", "struct<a>", "struct<a: int64", "struct<a: int64 b: int64>", "struct<a: >",
           "list<item: >", "set<int64>", "fixed_size_list<int64>[-1]", "fixed_size_binary[-2]",
           "duration[us, tz=UTC]", deep}) {
    EXPECT_FALSE(TypeFromText(bad).ok()) << bad.substr(0, 40);
  }
}

TEST(SchemaJson, RoundTrips) {
  const auto schema = arrow::schema({arrow::field("a", arrow::int64(), false),
                                     arrow::field("b c", arrow::list(arrow::utf8()))});
  EXPECT_TRUE((*SchemaFromJson(SchemaToJson(*schema)))->Equals(*schema));
  EXPECT_TRUE(SchemaFromJson({json::value(1)}).status().IsInvalid());
  EXPECT_TRUE(SchemaFromJson({json::object{{"name", "a"}}}).status().IsInvalid());
  EXPECT_TRUE(SchemaFromJson({json::object{{"name", "a"}, {"type", "int64"}, {"null", true}}})
                  .status().IsInvalid());
}

}  // namespace
}  // namespace tercet
