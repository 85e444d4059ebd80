#include "base/cell_row.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

std::shared_ptr<arrow::Array> Two(const std::shared_ptr<arrow::DataType>& type,
                                  const std::string& text) {
  const auto scalar = arrow::Scalar::Parse(type, text).ValueOrDie();
  const auto value = arrow::MakeArrayFromScalar(*scalar, 1).ValueOrDie();
  const auto null = arrow::MakeArrayOfNull(type, 1).ValueOrDie();
  return arrow::Concatenate({null, value}).ValueOrDie();
}

TEST(CellRow, GivesBackWhatItsCellsWereOf) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  const auto add = [&](const std::shared_ptr<arrow::DataType>& type, const std::string& text) {
    ASSERT_TRUE(IsCellType(*type)) << type->ToString();
    fields.push_back(arrow::field("c" + std::to_string(fields.size()), type));
    columns.push_back(Two(type, text));
  };
  add(arrow::boolean(), "true");
  add(arrow::boolean(), "false");
  add(arrow::int8(), "-7");
  add(arrow::uint64(), "18446744073709551615");
  add(arrow::float32(), "0.1");
  add(arrow::float64(), "-1e300");
  add(arrow::date32(), "2026-11-23");
  add(arrow::timestamp(arrow::TimeUnit::MICRO), "2026-11-23T10:41:00");
  add(arrow::utf8(), "Žižkov");
  add(arrow::utf8(), "");
  add(arrow::large_utf8(), "large");
  add(arrow::binary(), std::string("\0\1", 2));
  const auto schema = arrow::schema(fields);
  const auto batch = arrow::RecordBatch::Make(schema, 2, columns);
  std::vector<Cell> all;
  for (const int64_t row : {0, 1}) {
    std::vector<Cell> cells;
    for (const auto& column : columns) cells.push_back(CellOf(*column, row));
    const auto again = BatchOfCells(schema, cells).ValueOrDie();
    ASSERT_TRUE(again->ValidateFull().ok()) << again->ValidateFull().ToString();
    EXPECT_TRUE(again->Equals(*batch->Slice(row, 1))) << again->ToString();
    all.insert(all.end(), cells.begin(), cells.end());
  }
  const auto whole = BatchOfCells(schema, all).ValueOrDie();
  ASSERT_TRUE(whole->ValidateFull().ok()) << whole->ValidateFull().ToString();
  EXPECT_TRUE(whole->Equals(*batch)) << whole->ToString();
  EXPECT_EQ(BatchOfCells(schema, {}).ValueOrDie()->num_rows(), 0);
  EXPECT_EQ(BatchOfCells(arrow::schema({}), {}).ValueOrDie()->num_rows(), 1);
}

}  // namespace
}  // namespace tercet
