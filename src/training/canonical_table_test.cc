#include "training/canonical_table.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

std::shared_ptr<arrow::Array> ArrayOf(const std::shared_ptr<arrow::DataType>& type,
                                      const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

std::string AddressOf(const std::shared_ptr<arrow::ChunkedArray>& column) {
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("x", column->type())}), {column});
  const auto canonical = CanonicalTable(*table).ValueOrDie();
  EXPECT_TRUE(canonical->ValidateFull().ok());
  EXPECT_TRUE(canonical->column(0)->type()->Equals(column->type()) ||
              column->type()->id() == arrow::Type::DICTIONARY);
  return ContentAddress(*canonical).ValueOrDie();
}

std::string AddressOf(const std::shared_ptr<arrow::Array>& array) {
  return AddressOf(std::make_shared<arrow::ChunkedArray>(array));
}

struct Case {
  std::shared_ptr<arrow::DataType> type;
  std::string before, values, other;
};

class CanonicalTableTest : public ::testing::TestWithParam<Case> {};

TEST_P(CanonicalTableTest, EqualValuesHaveOneAddressWhateverTheirChunksAndOffsets) {
  const Case& given = GetParam();
  const auto whole = ArrayOf(given.type, "[" + given.values + "]");
  const auto longer = ArrayOf(given.type, "[" + given.before + ", " + given.values + "]");
  const std::string address = AddressOf(whole);
  EXPECT_EQ(AddressOf(longer->Slice(1)), address);
  EXPECT_EQ(AddressOf(std::make_shared<arrow::ChunkedArray>(
                arrow::ArrayVector{whole->Slice(0, 1), longer->Slice(2)})),
            address);
  EXPECT_NE(AddressOf(ArrayOf(given.type, "[" + given.other + "]")), address);
}

INSTANTIATE_TEST_SUITE_P(
    Types, CanonicalTableTest,
    ::testing::Values(
        Case{arrow::int64(), "9", "1, null, 3", "1, 0, 3"},
        Case{arrow::float64(), "null", "1.5, null, 3", "1.5, null, 4"},
        Case{arrow::boolean(), "true", "true, null, false", "true, false, false"},
        Case{arrow::utf8(), "\"zz\"", "\"a\", null, \"bc\"", "\"a\", \"\", \"bc\""},
        Case{arrow::large_utf8(), "\"zz\"", "\"a\", null, \"bc\"", "\"a\", \"\", \"bc\""},
        Case{arrow::date32(), "9", "1, null, 3", "1, 0, 3"},
        Case{arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), "9", "1, null, 3", "1, 0, 3"},
        Case{arrow::decimal128(10, 2), "\"9.00\"", "\"1.00\", null", "\"1.00\", \"0.00\""},
        Case{arrow::list(arrow::int32()), "[7]", "[1, null], null, []", "[1, 0], null, []"},
        Case{arrow::fixed_size_list(arrow::int32(), 2), "[7, 8]", "[1, null], null",
             "[1, null], [0, 0]"},
        Case{arrow::struct_({arrow::field("a", arrow::int32())}), "{\"a\": 7}",
             "{\"a\": 1}, null, {\"a\": null}", "{\"a\": 1}, {\"a\": null}, null"},
        Case{arrow::map(arrow::utf8(), arrow::int32()), "[[\"z\", 7]]",
             "[[\"a\", 1], [\"b\", null]], null, []", "[[\"a\", 1], [\"b\", 0]], null, []"}));

TEST(CanonicalTableTest, WhatAMapsFieldsAreCalledIsNoPartOfTheValue) {
  const auto made_by_another = [](const std::shared_ptr<arrow::Field>& item) {
    return arrow::list(arrow::struct_({arrow::field(
        "m", std::make_shared<arrow::MapType>(arrow::field("k", arrow::utf8(), false), item))}));
  };
  const std::string values = R"([[{"m": [["a", 1], ["b", null]]}, {"m": null}], null, []])";
  const auto address = [&](const std::shared_ptr<arrow::DataType>& type) {
    const auto table = arrow::Table::Make(arrow::schema({arrow::field("x", type)}),
                                          arrow::ArrayVector{ArrayOf(type, values)});
    const auto canonical = CanonicalTable(*table).ValueOrDie();
    EXPECT_TRUE(canonical->ValidateFull().ok());
    return ContentAddress(*canonical).ValueOrDie();
  };
  const std::string plain = address(made_by_another(arrow::field("value", arrow::int32())));
  EXPECT_EQ(address(made_by_another(arrow::field("visits", arrow::int32()))), plain);
  EXPECT_NE(address(made_by_another(arrow::field("value", arrow::int64()))), plain);
}

TEST(CanonicalTableTest, WhatStandsUnderANullIsNoPartOfTheValue) {
  const double garbage[] = {1, 1e300}, zeros[] = {1, 0};
  const uint8_t first_only = 0b11111101;
  const uint8_t clean = 0b00000001;
  const auto make = [](const double* values, const uint8_t* bits) {
    return arrow::MakeArray(arrow::ArrayData::Make(
        arrow::float64(), 2,
        {std::make_shared<arrow::Buffer>(bits, 1),
         std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(values), 16)}));
  };
  EXPECT_EQ(AddressOf(make(garbage, &first_only)), AddressOf(make(zeros, &clean)));
}

TEST(CanonicalTableTest, DictionariesAreWrittenOut) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto encoded =
      arrow::json::DictArrayFromJSONString(type, "[1, 0, null]", R"(["a", "b"])").ValueOrDie();
  EXPECT_EQ(AddressOf(encoded), AddressOf(ArrayOf(arrow::utf8(), R"(["b", "a", null])")));
}

TEST(CanonicalTableTest, AnEmptyTableHasAnAddress) {
  const auto none = std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{}, arrow::utf8());
  EXPECT_EQ(AddressOf(none), AddressOf(ArrayOf(arrow::utf8(), "[]")));
}

/// Fails when a newer Arrow lays the stream out otherwise: datasets that were registered before
/// could then no longer be proven equal, and the address needs a version.
TEST(CanonicalTableTest, TheAddressStaysWhatItWas) {
  EXPECT_EQ(AddressOf(ArrayOf(arrow::int64(), "[1, null, 3]")),
            "e84192955155cb54e5cfd16c65b37ba1bbdf11646bdd64b57b03756f7ae39b3d");
}

}  // namespace
}  // namespace tercet
