#include <gtest/gtest.h>

#include <random>

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include "compute/test_nested.h"
#include "online/key_rows.h"
#include "online/row_encoder.h"
#include "online/row_projection.h"

namespace tercet {
namespace {

std::shared_ptr<arrow::Array> FromJson(const std::shared_ptr<arrow::DataType>& type,
                                       const std::string& text) {
  return arrow::json::ArrayFromJSONString(type, text).ValueOrDie();
}

/// One column of each type, three rows, with nulls and extremes.
std::shared_ptr<arrow::RecordBatch> EveryType() {
  std::vector<std::pair<std::shared_ptr<arrow::DataType>, std::string>> columns = {
      {arrow::boolean(), "[true, null, false]"},
      {arrow::int8(), "[-128, null, 127]"},
      {arrow::int16(), "[-32768, null, 32767]"},
      {arrow::int32(), "[-5, null, 7]"},
      {arrow::int64(), "[-9223372036854775808, null, 9223372036854775807]"},
      {arrow::uint8(), "[0, null, 255]"},
      {arrow::uint64(), "[0, null, 18446744073709551615]"},
      {arrow::float32(), "[1.5, null, -0.0]"},
      {arrow::float64(), "[1e300, null, 2.25]"},
      {arrow::utf8(), R"(["", null, "žluť"])"},
      {arrow::large_utf8(), R"(["abc", null, ""])"},
      {arrow::utf8_view(), R"(["a long string beyond twelve bytes", null, "b"])"},
      {arrow::binary(), R"(["x", null, "yz"])"},
      {arrow::fixed_size_binary(3), R"(["abc", null, "def"])"},
      {arrow::date32(), "[-1, null, 19000]"},
      {arrow::date64(), "[86400000, null, 0]"},
      {arrow::time32(arrow::TimeUnit::MILLI), "[1, null, 2]"},
      {arrow::time64(arrow::TimeUnit::NANO), "[1, null, 2]"},
      {arrow::timestamp(arrow::TimeUnit::MICRO), "[-1, null, 1]"},
      {arrow::timestamp(arrow::TimeUnit::NANO, "UTC"), "[-1, null, 1]"},
      {arrow::duration(arrow::TimeUnit::SECOND), "[-1, null, 1]"},
      {arrow::decimal128(20, 3), R"(["-1.234", null, "99999999999999999.999"])"},
      {arrow::decimal256(50, 2), R"(["-1.23", null, "1.00"])"},
      {arrow::list(arrow::int64()), "[[], null, [1, null, -3]]"},
      {arrow::list(arrow::boolean()), "[[true, null, false], null, []]"},
      {arrow::list(arrow::utf8()), R"([["a", "", null], null, ["longer text"]])"},
      {arrow::large_list(arrow::float64()), "[[1.5], null, [null]]"},
      {arrow::fixed_size_list(arrow::float32(), 2), "[[1, 2], null, [3, null]]"},
      {arrow::list(arrow::decimal128(10, 1)), R"([["1.5"], null, ["-2.5", null]])"},
      {arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())}),
       R"([[1, "x"], null, [null, ""]])"},
      {arrow::map(arrow::utf8(), arrow::list(arrow::float64())),
       R"([[["k", [1, null]], ["l", null]], null, [["longer", []]]])"},
      {arrow::list(arrow::struct_(
           {arrow::field("x", arrow::fixed_size_list(arrow::int16(), 2)),
            arrow::field("m", arrow::map(arrow::int8(), arrow::boolean()))})),
       "[[[[1, 2], [[1, true]]], null, [null, []]], null, [[[3, null], [[2, null], [3, false]]]]]"},
      {arrow::fixed_size_list(arrow::large_list(arrow::utf8()), 2),
       R"([[["a"], null], null, [[], ["b", null]]])"},
  };
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [type, text] : columns) {
    fields.push_back(arrow::field("c" + std::to_string(fields.size()), type));
    arrays.push_back(FromJson(type, text));
  }
  return arrow::RecordBatch::Make(arrow::schema(fields), 3, arrays);
}

TEST(RowCodec, EveryTypeComesBack) {
  const auto batch = EveryType();
  const auto layout = RowLayout::Make(batch->schema()).ValueOrDie();
  const auto encoder = RowEncoder::Make(layout, batch).ValueOrDie();
  std::vector<std::string> encoded(3);
  std::vector<StoredRow> rows;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(encoder.Append(i, &encoded[i]).ok());
    rows.push_back({.bytes = encoded[i], .layout = 0});
  }
  const auto names = batch->schema()->field_names();
  const auto projection = RowProjection::Make({layout}, names, "g").ValueOrDie();
  const auto back = projection->Gather(rows).ValueOrDie();
  ASSERT_TRUE(back->ValidateFull().ok()) << back->ValidateFull().ToString();
  for (int c = 0; c < batch->num_columns(); ++c) {
    EXPECT_TRUE(back->column(c)->Equals(batch->column(c)))
        << batch->column(c)->type()->ToString() << ": " << back->column(c)->ToString();
  }
}

TEST(RowCodec, SlicesAndSelectionsAndRepetitions) {
  const auto whole = EveryType();
  const auto batch = whole->Slice(1);
  const auto layout = RowLayout::Make(batch->schema()).ValueOrDie();
  const auto encoder = RowEncoder::Make(layout, batch).ValueOrDie();
  std::string row;
  ASSERT_TRUE(encoder.Append(1, &row).ok());
  const auto projection = RowProjection::Make({layout}, {"c9", "c3", "c0", "c3"}, "g").ValueOrDie();
  const StoredRow rows[] = {{.bytes = row, .layout = 0}, {}, {.bytes = row, .layout = 0}};
  const auto back = projection->Gather(rows).ValueOrDie();
  ASSERT_TRUE(back->ValidateFull().ok());
  EXPECT_TRUE(back->column(0)->Equals(FromJson(arrow::utf8(), R"(["žluť", null, "žluť"])")));
  EXPECT_TRUE(back->column(1)->Equals(FromJson(arrow::int32(), "[7, null, 7]")));
  EXPECT_TRUE(back->column(2)->Equals(FromJson(arrow::boolean(), "[false, null, false]")));
  EXPECT_TRUE(back->column(3)->Equals(FromJson(arrow::int32(), "[7, null, 7]")));
}

TEST(RowCodec, RowsFromBeforeAColumnWasAdded) {
  const auto old_schema = arrow::schema({arrow::field("a", arrow::int64())});
  const auto new_schema =
      arrow::schema({arrow::field("b", arrow::utf8()), arrow::field("a", arrow::int64())});
  const auto old_layout = RowLayout::Make(old_schema).ValueOrDie();
  const auto new_layout = RowLayout::Make(new_schema).ValueOrDie();
  EXPECT_NE(old_layout->fingerprint(), new_layout->fingerprint());
  const auto batch = arrow::RecordBatch::Make(old_schema, 1, {FromJson(arrow::int64(), "[42]")});
  std::string row;
  ASSERT_TRUE(RowEncoder::Make(old_layout, batch).ValueOrDie().Append(0, &row).ok());
  const auto projection =
      RowProjection::Make({old_layout, new_layout}, {"a", "b"}, "g").ValueOrDie();
  const StoredRow rows[] = {{.bytes = row, .layout = 0}};
  const auto back = projection->Gather(rows).ValueOrDie();
  EXPECT_TRUE(back->column(0)->Equals(FromJson(arrow::int64(), "[42]")));
  EXPECT_TRUE(back->column(1)->Equals(FromJson(arrow::utf8(), "[null]")));
}

// What was stored before structs and maps could be: their lists have these bytes still.
TEST(RowCodec, ListsOfBeforeAreStillRead) {
  const auto schema = arrow::schema({arrow::field("numbers", arrow::list(arrow::int16())),
                                     arrow::field("texts", arrow::list(arrow::utf8())),
                                     arrow::field("flags", arrow::list(arrow::boolean()))});
  const std::string row(
      "\x07"                            // none is null
      "\x0B\0\0\0\x1E\0\0\0\x26\0\0\0"  // where each ends
      "\x03\0\0\0\x05\x01\0\0\0\xFD\xFF"   // 3 numbers, the second null
      "\x03\0\0\0\x03\x02\0\0\0\x02\0\0\0\x02\0\0\0xy"  // "xy", "" and a null
      "\x03\0\0\0\x06\0\x01\0",          // a null, true and false
      13 + 11 + 19 + 8);
  const auto layout = RowLayout::Make(schema).ValueOrDie();
  const auto projection =
      RowProjection::Make({layout}, schema->field_names(), "g").ValueOrDie();
  const StoredRow rows[] = {{.bytes = row, .layout = 0}};
  const auto back = projection->Gather(rows).ValueOrDie();
  EXPECT_TRUE(back->column(0)->Equals(FromJson(arrow::list(arrow::int16()), "[[1, null, -3]]")));
  EXPECT_TRUE(
      back->column(1)->Equals(FromJson(arrow::list(arrow::utf8()), R"([["xy", "", null]])")));
  EXPECT_TRUE(
      back->column(2)->Equals(FromJson(arrow::list(arrow::boolean()), "[[null, true, false]]")));
  std::string again;
  ASSERT_TRUE(RowEncoder::Make(layout, back).ValueOrDie().Append(0, &again).ok());
  EXPECT_EQ(again, row);
}

TEST(RowCodec, RandomNestedValuesComeBack) {
  NestedRandom random(11);
  for (int round = 0; round < 300; ++round) {
    const auto type = random.Nested(3);
    SCOPED_TRACE(type->ToString());
    const auto values = random.Values(type, 12).ValueOrDie()->Slice(round % 3);
    const auto schema = arrow::schema({arrow::field("v", type)});
    const auto layout = RowLayout::Make(schema).ValueOrDie();
    const auto batch = arrow::RecordBatch::Make(schema, values->length(), {values});
    const auto encoder = RowEncoder::Make(layout, batch).ValueOrDie();
    std::vector<std::string> encoded(static_cast<size_t>(values->length()));
    std::vector<StoredRow> rows;
    for (int64_t i = 0; i < values->length(); ++i) {
      std::string& row = encoded[static_cast<size_t>(i)];
      ASSERT_TRUE(encoder.Append(i, &row).ok());
      rows.push_back({.bytes = row, .layout = 0});
    }
    const auto projection = RowProjection::Make({layout}, {"v"}, "g").ValueOrDie();
    const auto back = projection->Gather(rows).ValueOrDie()->column(0);
    ASSERT_TRUE(back->ValidateFull().ok()) << back->ValidateFull().ToString();
    ASSERT_TRUE(back->Equals(values)) << back->ToString() << values->ToString();
  }
}

TEST(RowCodec, UnknownColumnAndUnfitTypesAreRefused) {
  const auto layout =
      RowLayout::Make(arrow::schema({arrow::field("amount", arrow::int64())})).ValueOrDie();
  const auto unknown = RowProjection::Make({layout}, {"amnt"}, "sales");
  ASSERT_TRUE(unknown.status().IsKeyError());
  EXPECT_NE(unknown.status().message().find("did you mean 'amount'"), std::string::npos);
  const auto nested = RowLayout::Make(
      arrow::schema({arrow::field("s", arrow::struct_({arrow::field("x", arrow::null())}))}));
  EXPECT_TRUE(nested.status().IsTypeError());
  const auto other =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("amount", arrow::utf8())}), 1,
                               {FromJson(arrow::utf8(), "[\"\"]")});
  EXPECT_TRUE(RowEncoder::Make(layout, other).status().IsTypeError());
}

TEST(RowCodec, CorruptBytesNeverCrash) {
  const auto batch = EveryType();
  const auto layout = RowLayout::Make(batch->schema()).ValueOrDie();
  const auto encoder = RowEncoder::Make(layout, batch).ValueOrDie();
  const auto projection =
      RowProjection::Make({layout}, batch->schema()->field_names(), "g").ValueOrDie();
  std::string intact;
  ASSERT_TRUE(encoder.Append(2, &intact).ok());
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = intact;
    for (int flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 3 == 0) bytes.resize(random() % bytes.size());
    const StoredRow rows[] = {{.bytes = bytes, .layout = 0}};
    const auto back = projection->Gather(rows);
    if (back.ok()) {
      EXPECT_TRUE((*back)->Validate().ok());
    } else {
      EXPECT_TRUE(back.status().IsIOError()) << back.status().ToString();
    }
  }
}

TEST(KeyRows, CorruptValuesNeverCrash) {
  KeyRows rows;
  rows.Upsert({.event_time_us = 5, .commit = 1, .fingerprint = 9, .bytes = "five"});
  rows.Upsert({.event_time_us = 8, .commit = 1, .fingerprint = 9, .bytes = "eight"});
  std::string intact;
  rows.AppendTo(&intact);
  EXPECT_EQ(FindAsOf(intact, 7).row.bytes, "five");
  EXPECT_EQ(FindAsOf(intact, 8).row.bytes, "eight");
  EXPECT_EQ(FindAsOf(intact, 4).answer, KeyLookup::kNoRow);
  for (size_t size = 0; size < intact.size(); ++size) {
    const std::string cut = intact.substr(0, size);
    (void)FindAsOf(cut, 4);
    (void)KeyRows::Parse(cut);
  }
  EXPECT_EQ(FindAsOf("", 4).answer, KeyLookup::kCorrupt);
  EXPECT_TRUE(KeyRows::Parse(intact.substr(0, intact.size() - 1)).status().IsIOError());
}

TEST(KeyRows, LetsGoOfOldRowsAndSaysSo) {
  KeyRows rows;
  for (int64_t time = 1; time <= 9; ++time) {
    rows.Upsert({.event_time_us = time, .commit = 1, .fingerprint = 9, .bytes = "x"});
  }
  rows.Trim(2, 6);
  EXPECT_EQ(rows.floor_us(), 5);
  EXPECT_EQ(rows.rows().size(), 5u);  // 5, 6 and 7, 8, 9 ahead.
  std::string value;
  rows.AppendTo(&value);
  EXPECT_EQ(FindAsOf(value, 4).answer, KeyLookup::kLetGo);
  EXPECT_EQ(FindAsOf(value, 5).answer, KeyLookup::kFound);
  rows.Upsert({.event_time_us = 3, .commit = 2, .fingerprint = 9, .bytes = "late"});
  EXPECT_EQ(rows.rows().size(), 5u);
  rows.Remove(6, 2);
  EXPECT_FALSE(rows.NeedsRefill(6));
  rows.Remove(5, 2);
  EXPECT_TRUE(rows.NeedsRefill(6));
}

TEST(KeyRows, AnEarlierCommitNeverWins) {
  KeyRows rows;
  rows.Upsert({.event_time_us = 1, .commit = 5, .fingerprint = 9, .bytes = "new"});
  rows.Upsert({.event_time_us = 1, .commit = 4, .fingerprint = 9, .bytes = "old"});
  rows.Remove(1, 4);
  ASSERT_EQ(rows.rows().size(), 1u);
  EXPECT_EQ(rows.rows()[0].bytes, "new");
  rows.Remove(1, 5);  // The same commit wrote the row.
  EXPECT_EQ(rows.rows().size(), 1u);
  rows.Remove(1, 6);
  EXPECT_TRUE(rows.empty());
}

}  // namespace
}  // namespace tercet
