// Every Arrow type goes in and comes out the same, in a table of its own.
#include <gmock/gmock.h>

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
  for (const auto& type : {arrow::null(), arrow::struct_({field("a", arrow::int8())}),
                           arrow::map(arrow::utf8(), arrow::int8()), arrow::decimal256(50, 3),
                           arrow::list(arrow::list(arrow::int8()))}) {
    EXPECT_TRUE(StoredType(*type).status().IsTypeError()) << type->ToString();
  }
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
  EXPECT_TRUE(widen(arrow::int64(), "[1]", arrow::int32()).status().IsTypeError());
  EXPECT_TRUE(widen(arrow::float64(), "[1]", arrow::int64()).status().IsTypeError());
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

}  // namespace
}  // namespace tercet
