// Every Arrow type goes in and comes out the same, in a table of its own.
#include <gmock/gmock.h>

#include "catalog/feature_type.h"
#include "offline/column_fit.h"
#include "offline/map_forms.h"
#include "offline/stored_type.h"
#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;
using ::testing::HasSubstr;

struct Case {
  std::shared_ptr<arrow::DataType> type;
  std::string values;  // three, as JSON
};

std::vector<Case> Cases() {
  using arrow::TimeUnit;
  return {
      {arrow::boolean(), "[true, null, false]"},
      {arrow::int8(), "[-128, null, 127]"},
      {arrow::int16(), "[-32768, null, 32767]"},
      {arrow::int32(), "[-2147483648, null, 2147483647]"},
      {arrow::int64(), "[-9223372036854775808, null, 9223372036854775807]"},
      {arrow::uint8(), "[0, null, 255]"},
      {arrow::uint16(), "[0, null, 65535]"},
      {arrow::uint32(), "[0, null, 4294967295]"},
      {arrow::uint64(), "[0, null, 18446744073709551615]"},
      {arrow::float16(), "[1.5, null, -2]"},
      {arrow::float32(), "[1.5, null, -2]"},
      {arrow::float64(), "[1.5, null, -1e300]"},
      {arrow::utf8(), R"(["", null, "Ærø"])"},
      {arrow::large_utf8(), R"(["", null, "x"])"},
      {arrow::binary(), R"(["", null, "x"])"},
      {arrow::large_binary(), R"(["", null, "x"])"},
      {arrow::fixed_size_binary(3), R"(["abc", null, "xyz"])"},
      {arrow::date32(), "[-1, null, 20000]"},
      {arrow::date64(), "[-86400000, null, 1728000000000]"},
      {arrow::time32(TimeUnit::SECOND), "[0, null, 86399]"},
      {arrow::time32(TimeUnit::MILLI), "[0, null, 86399999]"},
      {arrow::time64(TimeUnit::MICRO), "[0, null, 1]"},
      {arrow::time64(TimeUnit::NANO), "[0, null, 1]"},
      {arrow::duration(TimeUnit::SECOND), "[-1, null, 1]"},
      {arrow::duration(TimeUnit::NANO), "[-1, null, 1]"},
      {arrow::timestamp(TimeUnit::SECOND), "[-1, null, 1]"},
      {arrow::timestamp(TimeUnit::MILLI, "UTC"), "[-1, null, 1]"},
      {arrow::timestamp(TimeUnit::MICRO, "Europe/Berlin"), "[-1, null, 1]"},
      {arrow::timestamp(TimeUnit::NANO), "[-1000, null, 2000]"},
      {arrow::timestamp(TimeUnit::NANO, "UTC"), "[-1000, null, 2000]"},
      {arrow::decimal128(10, 2), R"(["-1.25", null, "99999999.99"])"},
      {arrow::decimal128(38, 0), R"(["-1", null, "1"])"},
      {arrow::decimal32(9, 3), R"(["-1.250", null, "1.000"])"},
      {arrow::decimal64(18, 3), R"(["-1.250", null, "1.000"])"},
      {arrow::decimal256(30, 3), R"(["-1.250", null, "1.000"])"},
      {arrow::list(arrow::int64()), "[[1, null], null, []]"},
      {arrow::list(arrow::uint64()), "[[18446744073709551615], null, []]"},
      {arrow::list(arrow::time32(TimeUnit::SECOND)), "[[1, null], null, []]"},
      {arrow::large_list(arrow::utf8()), R"([["a", null], null, []])"},
      {arrow::fixed_size_list(arrow::float32(), 2), "[[1, 2], [3, null], [5, 6]]"},
      {arrow::list(arrow::list(arrow::int8())), "[[[1, null], null, []], null, []]"},
      {arrow::struct_({field("a", arrow::int8()), field("b", arrow::utf8())}),
       R"([[1, "x"], null, [null, null]])"},
      {arrow::struct_({field("at", arrow::timestamp(TimeUnit::NANO)),
                       field("deep", arrow::struct_({field("u", arrow::uint64())})),
                       field("all", arrow::large_list(arrow::duration(TimeUnit::SECOND)))}),
       "[[1000, [18446744073709551615], [1, null]], null, [null, null, []]]"},
      {arrow::map(arrow::utf8(), arrow::float64()),
       R"([[["a", 1.5], ["b", null]], null, []])"},
      {arrow::map(arrow::uint32(), arrow::list(arrow::float16())),
       "[[[7, [1.5, null]]], null, [[1, null], [2, []]]]"},
      {arrow::list(arrow::struct_({field("k", arrow::date64()),
                                   field("m", arrow::map(arrow::int8(), arrow::utf8()))})),
       R"([[[86400000, [[1, "x"]]], null, [null, null]], null, []])"},
      {arrow::fixed_size_list(arrow::struct_({field("x", arrow::time32(TimeUnit::MILLI))}), 2),
       "[[[1], null], null, [[2], [null]]]"},
  };
}

TEST(StoredType, EveryTypeComesBackAsItWas) {
  InitializeArrow();
  TestFolder folder;
  const ManualClock clock(1'700'000'000'000'000);
  int number = 0;
  for (const Case& item : Cases()) {
    SCOPED_TRACE(item.type->ToString());
    const std::string path = folder.Join(std::to_string(number++));
    const auto values = Value(arrow::json::ArrayFromJSONString(item.type, item.values));
    const auto keys = Value(arrow::json::ArrayFromJSONString(arrow::int64(), "[1, 2, 3]"));
    const auto schema = arrow::schema({field("key", arrow::int64()), field("value", item.type)});
    const auto rows = arrow::RecordBatch::Make(schema, 3, {keys, values});
    Value(Table::Create(LocalFileSystem(), path, schema, {.primary_key = {"key"}}, &clock));
    const auto table = Value(Table::Open(LocalFileSystem(), path, {}, &clock));
    ASSERT_OK(table->Write(Reader({rows}), {}));
    const auto head = Value(table->Head());
    EXPECT_TRUE(head->schema()->Equals(*schema)) << head->schema()->ToString();
    ExpectEqual(*ScanAll(head.get()), *rows);
    // From a slice too, whose buffers begin elsewhere; by an upsert, so that a file is copied.
    ASSERT_OK(table->Write(Reader({rows->Slice(1, 2)}), {}));
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *rows);
    const auto changes = Collect(Value(table->Changes(1, 2)));
    EXPECT_TRUE(changes->schema()->field(1)->type()->Equals(*item.type));
    EXPECT_EQ(changes->num_rows(), 4);
  }
}

TEST(StoredType, DictionariesAndViewsBecomePlain) {
  InitializeArrow();
  TestFolder folder;
  const ManualClock clock(1'700'000'000'000'000);
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto schema = arrow::schema({field("key", type), field("text", arrow::utf8_view())});
  const auto table = Value(
      Table::Create(LocalFileSystem(), folder.Join("t"), schema, {.primary_key = {"key"}}, &clock));
  const auto keys = Value(arrow::json::DictArrayFromJSONString(type, "[1, 0]", R"(["a", "b"])"));
  const auto texts = Value(arrow::json::ArrayFromJSONString(
      arrow::utf8_view(), R"(["a text longer than twelve bytes", null])"));
  ASSERT_OK(table->Write(Reader({arrow::RecordBatch::Make(schema, 2, {keys, texts})}), {}));
  const auto plain = arrow::schema({field("key", arrow::utf8()), field("text", arrow::utf8())});
  ExpectEqual(*ScanAll(Value(table->Head()).get()),
              *Rows(plain, R"([["a", null], ["b", "a text longer than twelve bytes"]])"));
}

TEST(StoredType, RefusesWhatCantBeKept) {
  auto deep = arrow::int8();
  for (int i = 0; i < 20; ++i) deep = arrow::list(deep);
  using Refusal = std::pair<std::shared_ptr<arrow::DataType>, std::string>;
  for (const auto& [type, why] : std::vector<Refusal>{
           {arrow::null(), "declare its type"},
           {arrow::struct_({}), "no members"},
           {arrow::struct_({field("a", arrow::list(arrow::null()))}), "member 'a'"},
           {arrow::map(arrow::list(arrow::int8()), arrow::int8()), "keys"},
           {arrow::map(arrow::utf8(), arrow::decimal256(50, 3)), "cast it to such a decimal"},
           {arrow::month_interval(), "int32"},
           {arrow::day_time_interval(), "duration[us]"},
           {arrow::month_day_nano_interval(), "duration[us]"},
           {arrow::dense_union({field("a", arrow::int8())}), "struct"},
           {arrow::sparse_union({field("a", arrow::int8())}), "struct"}}) {
    const Status refused = StoredType(*type).status();
    EXPECT_TRUE(refused.IsTypeError()) << type->ToString();
    EXPECT_THAT(refused.message(), HasSubstr(why)) << type->ToString();
  }
  EXPECT_THAT(CheckFeatureType(*deep).message(), HasSubstr("at most 16"));
}

TEST(StoredType, WidensWithoutLoss) {
  InitializeArrow();
  auto widen = [](const std::shared_ptr<arrow::DataType>& from, const std::string& values,
                  const std::shared_ptr<arrow::DataType>& to) {
    return Widen(Value(arrow::json::ArrayFromJSONString(from, values)), to);
  };
  const auto longs = Value(arrow::json::ArrayFromJSONString(arrow::int64(), "[1, null]"));
  EXPECT_TRUE(Value(widen(arrow::int32(), "[1, null]", arrow::int64()))->Equals(longs));
  EXPECT_TRUE(Value(widen(arrow::uint32(), "[1, null]", arrow::int64()))->Equals(longs));
  EXPECT_TRUE(Value(widen(arrow::null(), "[null, null]", arrow::utf8()))->null_count() == 2);
  EXPECT_TRUE(widen(arrow::int64(), "[1, null]", arrow::float64()).ok());
  EXPECT_TRUE(widen(arrow::int64(), "[9007199254740993]", arrow::float64()).status().IsInvalid());
  EXPECT_TRUE(Value(widen(arrow::float64(), "[1, null]", arrow::int64()))->Equals(longs));
  EXPECT_TRUE(widen(arrow::float64(), "[1.5]", arrow::int64()).status().IsInvalid());
  EXPECT_TRUE(widen(arrow::float64(), "[1e300]", arrow::int64()).status().IsInvalid());
  EXPECT_TRUE(widen(arrow::int64(), "[127, -128]", arrow::int8()).ok());
  EXPECT_TRUE(widen(arrow::int64(), "[128]", arrow::int8()).status().IsInvalid());
  EXPECT_TRUE(widen(arrow::int64(), "[-1]", arrow::uint64()).status().IsInvalid());
  EXPECT_TRUE(widen(arrow::float64(), "[0.5]", arrow::float32()).status().IsTypeError());
  EXPECT_TRUE(widen(arrow::utf8(), R"(["1"])", arrow::int64()).status().IsTypeError());
  EXPECT_TRUE(widen(arrow::boolean(), "[true]", arrow::int64()).status().IsTypeError());
  const auto nanos = arrow::timestamp(arrow::TimeUnit::NANO, "UTC");
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  EXPECT_TRUE(widen(nanos, "[1000]", micros).ok());
  EXPECT_TRUE(widen(nanos, "[1001]", micros).status().IsInvalid());
  EXPECT_TRUE(
      widen(micros, "[1]", arrow::timestamp(arrow::TimeUnit::MICRO)).status().IsTypeError());
  EXPECT_TRUE(widen(arrow::list(arrow::int32()), "[[1], null]", arrow::list(arrow::int64())).ok());
}

TEST(StoredType, TakesMapsAndStructsAsLibrariesWriteThem) {
  InitializeArrow();
  const auto widen = [](const std::shared_ptr<arrow::DataType>& from, const std::string& values,
                        const std::shared_ptr<arrow::DataType>& to) {
    return Widen(Value(arrow::json::ArrayFromJSONString(from, values)), to);
  };
  const auto is = [](const Result<std::shared_ptr<arrow::Array>>& array,
                     const std::shared_ptr<arrow::DataType>& type, const std::string& values) {
    ASSERT_OK(array.status());
    ASSERT_OK((*array)->ValidateFull());
    EXPECT_TRUE((*array)->Equals(Value(arrow::json::ArrayFromJSONString(type, values))))
        << (*array)->ToString();
  };
  const auto map = arrow::map(arrow::utf8(), arrow::float64());
  const auto place = arrow::struct_({field("x", arrow::int64()), field("y", arrow::float64())});
  const auto dicts = arrow::struct_({field("b", arrow::int32()), field("a", arrow::int32())});
  is(widen(dicts, "[[1, 2], null, [null, 3], [null, null]]", map), map,
     R"([[["b", 1], ["a", 2]], null, [["a", 3]], []])");
  is(widen(map, R"([[["y", 1.5], ["x", 2]], null, [], [["x", null]]])", place), place,
     "[[2, 1.5], null, [null, null], [null, null]]");
  const auto pairs =
      arrow::list(arrow::struct_({field("key", arrow::utf8()), field("value", arrow::int8())}));
  is(widen(pairs, R"([[["a", 1], ["b", null]], null, []])", map), map,
     R"([[["a", 1], ["b", null]], null, []])");
  is(widen(arrow::struct_({field("y", arrow::int8())}), "[[1], null]", place), place,
     "[[null, 1], null]");
  EXPECT_TRUE(Value(widen(arrow::struct_({}), "[[], null]", map))->IsValid(0));
  // In slices, whose rows begin elsewhere.
  const auto whole = Value(arrow::json::ArrayFromJSONString(dicts, "[[9, 9], [1, null], null]"));
  is(Widen(whole->Slice(1), map), map, R"([[["b", 1]], null])");
  const auto maps = Value(arrow::json::ArrayFromJSONString(
      map, R"([[["z", 1]], [["x", 2]], null, [["y", 3], ["x", 4]]])"));
  is(Widen(maps->Slice(1), place), place, "[[2, null], null, [4, 3]]");

  EXPECT_THAT(widen(dicts, "[[1, 2]]", place).status().message(), HasSubstr("no member 'b'"));
  EXPECT_THAT(widen(map, R"([[["z", 1]]])", place).status().message(),
              HasSubstr("no member 'z'"));
  EXPECT_THAT(widen(map, R"([[["x", 1.5]]])", place).status().message(), HasSubstr("member 'x'"));
  EXPECT_THAT(widen(arrow::list(arrow::utf8()), R"([["a"]])", map).status().message(),
              HasSubstr("a list of structs of 'key'"));
  EXPECT_THAT(widen(pairs, R"([[null]])", map).status().message(), HasSubstr("entry"));
  const auto nested = arrow::list(arrow::struct_({field("m", map)}));
  const auto twice = arrow::json::ArrayFromJSONString(
      nested, R"([[[[["a", 1]]]], [[[["b", 1], ["a", 2], ["b", 3]]]]])");
  EXPECT_THAT(CheckMapKeys(*Value(twice)).message(), HasSubstr("key 'b' twice"));
  ASSERT_OK(CheckMapKeys(*Value(twice)->Slice(0, 0)));
}

TEST(StoredType, OtherEncodingsBecomePlain) {
  InitializeArrow();
  const auto ends = Value(arrow::json::ArrayFromJSONString(arrow::int32(), "[2, 3]"));
  const auto runs = Value(arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a", null])"));
  const auto encoded = Value(arrow::RunEndEncodedArray::Make(3, ends, runs));
  EXPECT_TRUE(LogicalType(encoded->type())->Equals(*arrow::utf8()));
  EXPECT_EQ(Value(Widen(encoded, arrow::utf8()))->ToString(),
            Value(arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a", "a", null])"))
                ->ToString());
  const auto views = Value(arrow::json::ArrayFromJSONString(arrow::list_view(arrow::int8()),
                                                            "[[1, 2], null, []]"));
  EXPECT_TRUE(LogicalType(views->type())->Equals(*arrow::list(arrow::int8())));
  EXPECT_EQ(Value(Widen(views, arrow::list(arrow::int8())))->ToString(),
            Value(arrow::json::ArrayFromJSONString(arrow::list(arrow::int8()),
                                                   "[[1, 2], null, []]"))
                ->ToString());
}

}  // namespace
}  // namespace tercet
