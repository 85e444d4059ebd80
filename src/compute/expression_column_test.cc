// Columns of every Arrow type, as an expression reads them.
#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/util/float16.h>
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "compute/expression.h"
#include "compute/test_column.h"

namespace tercet {
namespace {

class ExpressionColumn : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeArrow(); }
};

TEST_F(ExpressionColumn, EveryArrowTypeIsRead) {
  struct Case {
    std::shared_ptr<arrow::DataType> type;
    std::string text;
    std::string answer;
  };
  using Unit = arrow::TimeUnit;
  const std::vector<Case> cases = {
      {arrow::int8(), "-5", "int64: -5"},
      {arrow::int16(), "-5", "int64: -5"},
      {arrow::int32(), "-5", "int64: -5"},
      {arrow::uint8(), "200", "int64: 200"},
      {arrow::uint16(), "60000", "int64: 60000"},
      {arrow::uint32(), "4000000000", "int64: 4000000000"},
      {arrow::uint64(), "5", "int64: 5"},
      {arrow::uint64(), "18446744073709551615", "int64: null"},
      {arrow::float32(), "0.5", "double: 0.5"},
      {arrow::float64(), "0.1", "double: 0.1"},
      {arrow::boolean(), "true", "bool: true"},
      {arrow::utf8(), "é", "string: é"},
      {arrow::large_utf8(), "é", "string: é"},
      {arrow::utf8_view(), "longer than twelve bytes", "string: longer than twelve bytes"},
      {arrow::decimal128(10, 2), "12.25", "double: 12.25"},
      {arrow::decimal256(40, 2), "-12.25", "double: -12.25"},
      {arrow::decimal64(10, 2), "12.25", "double: 12.25"},
      {arrow::decimal32(8, 2), "12.25", "double: 12.25"},
      {arrow::date32(), "1969-12-31", "date32[day]: 1969-12-31"},
      {arrow::date64(), "1969-12-31", "date32[day]: 1969-12-31"},
      {arrow::timestamp(Unit::SECOND), "1969-12-31 23:59:59",
       "timestamp[us]: 1969-12-31 23:59:59.000000"},
      {arrow::timestamp(Unit::MILLI), "2000-01-01 00:00:00.125",
       "timestamp[us]: 2000-01-01 00:00:00.125000"},
      {arrow::timestamp(Unit::NANO), "1969-12-31 23:59:59.999999999",
       "timestamp[us]: 1969-12-31 23:59:59.999999"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type->ToString());
    const auto plain = Column(c.type, {std::nullopt, c.text, std::nullopt})->Slice(1);
    arrow::ArrayVector forms = {plain};
    const auto encoded = arrow::compute::DictionaryEncode(plain);
    if (encoded.ok()) forms.push_back(encoded->make_array());
    for (const auto& column : forms) {
      const auto batch = arrow::RecordBatch::Make(
          arrow::schema({arrow::field("c", column->type())}), 2, arrow::ArrayVector{column});
      const auto compiled = *CompiledExpression::Compile(*Expression::Parse("c"), *batch->schema());
      const auto array = *compiled->Evaluate(*batch);
      ASSERT_TRUE(array->ValidateFull().ok());
      EXPECT_EQ(compiled->type()->ToString() + ": " +
                    (array->IsNull(0) ? "null" : (*array->GetScalar(0))->ToString()),
                c.answer);
      EXPECT_TRUE(array->IsNull(1));
    }
  }
}

TEST_F(ExpressionColumn, TimesOfDayAndDurationsAreSeconds) {
  const auto integers = Column(arrow::int64(), {"65500000"});
  for (const auto& type :
       {arrow::time64(arrow::TimeUnit::MICRO), arrow::duration(arrow::TimeUnit::MICRO)}) {
    const auto column = *integers->View(type);
    const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", type)}), 1,
                                                arrow::ArrayVector{column});
    const auto compiled = *CompiledExpression::Compile(*Expression::Parse("c"), *batch->schema());
    EXPECT_EQ((*(*compiled->Evaluate(*batch))->GetScalar(0))->ToString(), "65.5");
  }
}

TEST_F(ExpressionColumn, HalfFloatsAreRead) {
  arrow::HalfFloatBuilder builder;
  ASSERT_TRUE(builder.Append(arrow::util::Float16(1.5).bits()).ok());
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("h", arrow::float16())}),
                                              1, arrow::ArrayVector{*builder.Finish()});
  const auto compiled = *CompiledExpression::Compile(*Expression::Parse("h"), *batch->schema());
  EXPECT_EQ((*(*compiled->Evaluate(*batch))->GetScalar(0))->ToString(), "1.5");
}

}  // namespace
}  // namespace tercet
