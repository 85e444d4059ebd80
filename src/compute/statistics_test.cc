#include "compute/statistics.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "compute/column_summary.h"
#include "compute/distinct_count.h"
#include "compute/summation.h"

namespace tercet {
namespace {

json::object DescribeOne(const std::shared_ptr<arrow::Array>& column) {
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("c", column->type())}), {column});
  return Describe(*table)->at("c").as_object();
}

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> Column(const std::vector<std::optional<T>>& values,
                                     const std::shared_ptr<arrow::DataType>& type) {
  Builder builder(type, arrow::default_memory_pool());
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return *builder.Finish();
}

TEST(StatisticsTest, Numbers) {
  const auto described = DescribeOne(Column<arrow::DoubleBuilder, double>(
      {1.0, 2.0, 4.0, std::nullopt, NAN, 4.0, HUGE_VAL}, arrow::float64()));
  EXPECT_EQ(described.at("count").as_int64(), 6);
  EXPECT_EQ(described.at("nulls").as_int64(), 1);
  EXPECT_EQ(described.at("nans").as_int64(), 1);
  EXPECT_EQ(described.at("infinite").as_int64(), 1);
  EXPECT_EQ(described.at("distinct").as_int64(), 4);
  EXPECT_EQ(described.at("mean").as_double(), 2.75);
  EXPECT_EQ(described.at("std").as_double(), 1.5);
  EXPECT_EQ(described.at("min").as_double(), 1);
  EXPECT_EQ(described.at("max").as_double(), 4);
  EXPECT_EQ(described.at("quantiles").at("0.25").as_double(), 1.75);
  EXPECT_EQ(described.at("quantiles").at("0.5").as_double(), 3);
  EXPECT_EQ(described.at("histogram").at("edges").as_array().size(), 21u);
  EXPECT_EQ(described.at("histogram").at("counts").at(0).as_int64(), 1);
  EXPECT_EQ(described.at("histogram").at("counts").at(6).as_int64(), 1);
  EXPECT_EQ(described.at("histogram").at("counts").at(19).as_int64(), 2);
}

TEST(StatisticsTest, IntegersKeepTheirExtremes) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  const auto described =
      DescribeOne(Column<arrow::Int64Builder, int64_t>({most, most - 1, -3}, arrow::int64()));
  EXPECT_EQ(described.at("min").as_int64(), -3);
  EXPECT_EQ(described.at("max").as_int64(), most);
  EXPECT_EQ(described.at("distinct").as_int64(), 3);
}

TEST(StatisticsTest, StringsHaveLengthsAndATop) {
  const auto described = DescribeOne(Column<arrow::StringBuilder, std::string>(
      {"b", "Ærø", "a", std::nullopt, "b", ""}, arrow::utf8()));
  EXPECT_EQ(ToText(described), R"({"count":5,"nulls":1,"distinct":4,"min_length":0,"max_length":3,)"
                               R"("top":[["b",2],["",1],["a",1],["Ærø",1]]})");
}

TEST(StatisticsTest, LongTextsAreNotKeptToBeCounted) {
  // Too many together, though none of two halves has as much as is kept; summed up either way.
  arrow::ArrayVector halves;
  for (const char first : {'a', 'n'}) {
    arrow::StringBuilder texts;
    for (char c = first; c < first + 13; ++c) {
      ASSERT_TRUE(texts.Append(std::string(200'000, c)).ok());
    }
    halves.push_back(texts.Finish().ValueOrDie());
  }
  const auto both = std::make_shared<arrow::ChunkedArray>(halves);
  auto merged = ColumnSummary::Of(*both->Slice(0, 13)).ValueOrDie();
  EXPECT_TRUE(merged.ToJson().contains("top"));
  merged.Merge(ColumnSummary::Of(*both->Slice(13)).ValueOrDie());
  EXPECT_FALSE(merged.ToJson().contains("top"));
  EXPECT_EQ(merged.ToJson().at("distinct").as_int64(), 26);
  EXPECT_EQ(merged.ToJson(), ColumnSummary::Of(*both).ValueOrDie().ToJson());
}

TEST(StatisticsTest, TimesAreIsoText) {
  EXPECT_EQ(ToText(DescribeOne(Column<arrow::TimestampBuilder, int64_t>(
                {1'356'998'400'000, 0}, arrow::timestamp(arrow::TimeUnit::MILLI)))),
            R"({"count":2,"nulls":0,"distinct":2,"min":"1970-01-01T00:00:00Z",)"
            R"("max":"2013-01-01T00:00:00Z"})");
  EXPECT_EQ(ToText(DescribeOne(
                Column<arrow::Date32Builder, int32_t>({1, std::nullopt}, arrow::date32()))),
            R"({"count":1,"nulls":1,"distinct":1,"min":"1970-01-02","max":"1970-01-02"})");
}

TEST(StatisticsTest, BoolsAndTheRest) {
  EXPECT_EQ(ToText(DescribeOne(
                Column<arrow::BooleanBuilder, bool>({true, true, false, {}}, arrow::boolean()))),
            R"({"count":3,"nulls":1,"distinct":2,"true":2,"false":1,)"
            R"("mean":6.666666666666666E-1})");
  EXPECT_EQ(ToText(DescribeOne(*arrow::MakeArrayOfNull(arrow::list(arrow::int8()), 3))),
            R"({"count":0,"nulls":3})");
  EXPECT_EQ(ToText(DescribeOne(*arrow::MakeArrayOfNull(arrow::null(), 3))),
            R"({"count":0,"nulls":3})");
}

TEST(StatisticsTest, EmptyAndNullColumnsHaveNoValues) {
  for (const auto& type : {arrow::float64(), arrow::int32(), arrow::utf8(), arrow::date32()}) {
    for (int64_t rows : {0, 2}) {
      const auto described = DescribeOne(*arrow::MakeArrayOfNull(type, rows));
      EXPECT_EQ(described.at("count").as_int64(), 0);
      EXPECT_EQ(described.at("nulls").as_int64(), rows);
      EXPECT_FALSE(described.contains("min"));
    }
  }
}

TEST(StatisticsTest, OneValueAndTheWholeRangeOfDoubles) {
  const auto one = DescribeOne(Column<arrow::DoubleBuilder, double>({5.0, 5.0}, arrow::float64()));
  EXPECT_EQ(one.at("histogram").at("edges").at(0).as_double(), 4.5);
  EXPECT_EQ(one.at("histogram").at("counts").at(10).as_int64(), 2);
  const double most = std::numeric_limits<double>::max();
  const auto wide =
      DescribeOne(Column<arrow::DoubleBuilder, double>({-most, most, most}, arrow::float64()));
  EXPECT_EQ(wide.at("histogram").at("counts").at(19).as_int64(), 2);
  EXPECT_TRUE(ParseJson(ToText(wide)).ok());
}

TEST(StatisticsTest, ChunksDoNotMatter) {
  std::mt19937_64 random(1);
  arrow::DoubleBuilder builder;
  for (int k = 0; k < 5000; ++k) {
    ASSERT_TRUE(builder.Append(std::ldexp(1.0, static_cast<int>(random() % 40)) / 3).ok());
  }
  const auto column = *builder.Finish();
  const auto schema = arrow::schema({arrow::field("c", column->type())});
  const auto whole = arrow::Table::Make(schema, {column});
  const auto parts =
      arrow::Table::Make(schema, {std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{
                                     column->Slice(0, 7), column->Slice(7, 0), column->Slice(7)})});
  EXPECT_EQ(ToText(*Describe(*whole)), ToText(*Describe(*parts)));
}

TEST(StatisticsTest, DistinctIsExactThenEstimated) {
  DistinctCount count;
  for (int64_t k = 0; k < 30'000; ++k) count.Add(k % 10'000);
  EXPECT_TRUE(count.exact());
  EXPECT_EQ(count.value(), 10'000);
  count.Add(int64_t{10'000});
  EXPECT_FALSE(count.exact());
  for (int64_t size : {20'000, 50'000, 200'000, 1'000'000}) {
    DistinctCount many;
    for (int64_t k = 0; k < size; ++k) many.Add(k);
    EXPECT_NEAR(static_cast<double>(many.value()), static_cast<double>(size),
                0.03 * static_cast<double>(size));
  }
  DistinctCount left, right;
  for (int64_t k = 0; k < 6000; ++k) {
    left.Add(k);
    right.Add(k + 3000);
  }
  DistinctCount both = left;
  both.Merge(right);
  EXPECT_EQ(both.value(), 9000);
  right.Add(int64_t{20'000});
  for (int64_t k = 30'000; k < 40'000; ++k) right.Add(k);
  both.Merge(right);
  EXPECT_FALSE(both.exact());
  EXPECT_NEAR(static_cast<double>(both.value()), 19'001, 570);
  DistinctCount zeros;
  zeros.Add(0.0);
  zeros.Add(-0.0);
  zeros.Add(std::string_view());
  EXPECT_EQ(zeros.value(), 2);
}

TEST(StatisticsTest, MillionsOfRowsAreSummedUpInParts) {
  // Three summaries: what they merge to is what one pass over all rows gives.
  constexpr int64_t kRows = (int64_t{5} << 19) + 3;
  arrow::DoubleBuilder doubles;
  arrow::StringBuilder strings;
  double sum = 0, squares = 0;
  const auto value = [](int64_t i) { return static_cast<double>(i * 7919 % kRows) / 1000 + 1e6; };
  for (int64_t i = 0; i < kRows; ++i) {
    ASSERT_TRUE((i % 10 == 0 ? doubles.AppendNull() : doubles.Append(value(i))).ok());
    ASSERT_TRUE(strings.Append("s" + std::to_string(i % 7)).ok());
    if (i % 10 != 0) sum += value(i);
  }
  const std::shared_ptr<arrow::Array> column = *doubles.Finish();
  const auto described = DescribeOne(column);
  const int64_t count = described.at("count").as_int64();
  EXPECT_EQ(count + described.at("nulls").as_int64(), kRows);
  const double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < kRows; ++i) {
    if (i % 10 != 0) squares += (value(i) - mean) * (value(i) - mean);
  }
  EXPECT_NEAR(described.at("mean").as_double(), mean, 1e-6);
  EXPECT_NEAR(described.at("std").as_double(),
              std::sqrt(squares / static_cast<double>(count - 1)), 1e-6);
  EXPECT_NEAR(static_cast<double>(described.at("distinct_estimate").as_int64()),
              static_cast<double>(count), 0.03 * static_cast<double>(count));
  int64_t in_bins = 0;
  for (const json::value& bin : described.at("histogram").at("counts").as_array()) {
    in_bins += bin.as_int64();
    EXPECT_NEAR(bin.to_number<double>(), static_cast<double>(count) / 20,
                static_cast<double>(count) / 500);
  }
  EXPECT_EQ(in_bins, count);
  const std::shared_ptr<arrow::Array> texts = *strings.Finish();
  const auto of_texts = DescribeOne(texts);
  EXPECT_EQ(of_texts.at("distinct").as_int64(), 7);
  EXPECT_EQ(of_texts.at("top").as_array().size(), 7u);
  EXPECT_EQ(of_texts.at("top").at(0).at(1).as_int64(), kRows / 7 + 1);
}

TEST(StatisticsTest, CorrelationsAreOfRowsThatHaveBoth) {
  const auto a = Column<arrow::DoubleBuilder, double>({1, 2, 3, std::nullopt, 5}, arrow::float64());
  const auto b = Column<arrow::Int64Builder, int64_t>({2, 1, 4, 9, std::nullopt}, arrow::int64());
  const auto c = Column<arrow::DoubleBuilder, double>({7, 7, 7, 7, 7}, arrow::float64());
  const auto s =
      Column<arrow::StringBuilder, std::string>({"a", "b", "c", "d", "e"}, arrow::utf8());
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("a", a->type()), arrow::field("b", b->type()),
                     arrow::field("c", c->type()), arrow::field("s", s->type())}),
      {a, b, c, s});
  const json::object correlations = *Correlations(*table);
  // numpy.corrcoef([1, 2, 3], [2, 1, 4])
  EXPECT_NEAR(correlations.at("a").at("b").as_double(), 0.6546536707079772, 1e-15);
  EXPECT_EQ(correlations.at("b").at("a"), correlations.at("a").at("b"));
  EXPECT_TRUE(correlations.at("c").as_object().empty());
  EXPECT_FALSE(correlations.contains("s"));
}

TEST(SummationTest, PairwiseSumIsCloseToExact) {
  std::vector<double> numbers(1'000'003, 0.1);
  EXPECT_NEAR(PairwiseSum(numbers), 100'000.3, 1e-9);
  EXPECT_EQ(PairwiseSum({}), 0);
  EXPECT_TRUE(std::isnan(MomentsOf({}).mean));
}

TEST(SummationTest, QuantilesAreNumpys) {
  std::vector<double> numbers = {9, 1, 5, 3, 7};
  const std::vector<double> fractions = {0, 0.1, 0.5, 0.9, 1};
  const auto quantiles = QuantilesOf(numbers, fractions);
  const std::vector<double> expected = {1, 1.8, 5, 8.2, 9};
  for (size_t k = 0; k < expected.size(); ++k) EXPECT_DOUBLE_EQ(quantiles[k], expected[k]);
  // Against sorting, for many fractions and equal numbers.
  std::mt19937_64 random(3);
  for (size_t count : {1, 2, 3, 10, 1000}) {
    std::vector<double> some(count);
    for (double& number : some) number = static_cast<double>(random() % 500);
    std::vector<double> sorted = some, asked = {0, 0.01, 0.05, 0.25, 0.25, 0.5, 0.75, 0.99, 1};
    std::sort(sorted.begin(), sorted.end());
    const auto got = QuantilesOf(some, asked);
    for (size_t k = 0; k < asked.size(); ++k) {
      const double place = asked[k] * static_cast<double>(count - 1);
      const auto below = static_cast<size_t>(place);
      const double high = sorted[std::min(below + 1, count - 1)];
      EXPECT_NEAR(got[k], sorted[below] + (high - sorted[below]) * (place - std::floor(place)),
                  1e-9);
    }
  }
  std::vector<double> four = {4, 1, 3, 2};
  EXPECT_EQ(MedianOf(four), 2.5);
}

}  // namespace
}  // namespace tercet
