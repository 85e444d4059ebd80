#include "compute/expression.h"

#include <cmath>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/util/decimal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "compute/test_column.h"

namespace tercet {
namespace {

/// Two rows of every kind of column; the second is null.
std::shared_ptr<arrow::RecordBatch> Rows() {
  const auto us = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const std::vector<std::tuple<std::string, std::shared_ptr<arrow::DataType>, std::string>>
      columns = {{"i", arrow::int64(), "7"},
                 {"n", arrow::int64(), "-3"},
                 {"zero", arrow::int64(), "0"},
                 {"most", arrow::int64(), "9223372036854775807"},
                 {"least_int", arrow::int64(), "-9223372036854775808"},
                 {"x", arrow::float64(), "2.5"},
                 {"y", arrow::float64(), "-0.5"},
                 {"nan", arrow::float64(), "nan"},
                 {"yes", arrow::boolean(), "true"},
                 {"no", arrow::boolean(), "false"},
                 {"s", arrow::utf8(), "Oslo"},
                 {"accents", arrow::utf8(), "Ærøskøbing"},
                 {"number_text", arrow::utf8(), " 12.5 "},
                 {"t", us, "2013-03-09 17:45:30.250000"},
                 {"event_time", utc, "2013-01-01 05:00:00"},
                 {"d", arrow::date32(), "2012-02-29"},
                 {"planes.year", arrow::int32(), "1999"},
                 {"odd name", arrow::int64(), "1"}};
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, type, text] : columns) {
    fields.push_back(arrow::field(name, type));
    const std::string zoned = type->Equals(utc) ? text + "Z" : text;
    arrays.push_back(Column(type, {zoned, std::nullopt}));
  }
  fields.push_back(arrow::field("list", arrow::list(arrow::int64())));
  arrays.push_back(*arrow::Concatenate({*arrow::MakeEmptyArray(arrow::list(arrow::int64())),
                                        *arrow::MakeArrayOfNull(arrow::list(arrow::int64()), 2)}));
  return arrow::RecordBatch::Make(arrow::schema(fields), 2, arrays);
}

class ExpressionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeArrow(); }

  const std::shared_ptr<arrow::RecordBatch> rows_ = Rows();

  Result<std::shared_ptr<arrow::Array>> Evaluate(std::string_view text) const {
    ARROW_ASSIGN_OR_RAISE(const Expression expression, Expression::Parse(text));
    ARROW_ASSIGN_OR_RAISE(const auto compiled,
                          CompiledExpression::Compile(expression, *rows_->schema()));
    ARROW_ASSIGN_OR_RAISE(auto array, compiled->Evaluate(*rows_));
    EXPECT_TRUE(array->ValidateFull().ok()) << array->ValidateFull();
    EXPECT_TRUE(array->type()->Equals(compiled->type()));
    EXPECT_EQ(array->length(), 2);
    return array;
  }

  /// "TYPE: first row, second row" or the error.
  std::string Answer(std::string_view text) const {
    auto array = Evaluate(text);
    if (!array.ok()) return array.status().ToString();
    std::string answer = (*array)->type()->ToString() + ":";
    for (int64_t i = 0; i < 2; ++i) {
      answer += " " + ((*array)->IsNull(i) ? "null" : (*(*array)->GetScalar(i))->ToString());
      if (i == 0) answer += ",";
    }
    return answer;
  }
};

#define EXPECT_ANSWER(text, answer) EXPECT_EQ(Answer(text), answer) << text

TEST_F(ExpressionTest, Arithmetic) {
  EXPECT_ANSWER("i + n", "int64: 4, null");
  EXPECT_ANSWER("i - n * 2", "int64: 13, null");
  EXPECT_ANSWER("(i - n) * 2", "int64: 20, null");
  EXPECT_ANSWER("i / 2", "double: 3.5, null");
  EXPECT_ANSWER("i // 2", "int64: 3, null");
  EXPECT_ANSWER("n // 2", "int64: -2, null");
  EXPECT_ANSWER("n % 2", "int64: 1, null");
  EXPECT_ANSWER("i % -4", "int64: -1, null");
  EXPECT_ANSWER("i / zero", "double: null, null");
  EXPECT_ANSWER("i // zero", "int64: null, null");
  EXPECT_ANSWER("i % zero", "int64: null, null");
  EXPECT_ANSWER("x / 0", "double: inf, null");
  EXPECT_ANSWER("y / 0.0", "double: -inf, null");
  EXPECT_ANSWER("x // y", "double: -5, null");
  EXPECT_ANSWER("x % -2", "double: -1.5, null");
  EXPECT_ANSWER("i + x", "double: 9.5, null");
  EXPECT_ANSWER("-i", "int64: -7, null");
  EXPECT_ANSWER("- -x", "double: 2.5, null");
  EXPECT_ANSWER("-2 ** 2", "double: -4, -4");
  EXPECT_ANSWER("2 ** -1 ** 2", "double: 0.5, 0.5");
  EXPECT_ANSWER("2 ** 3 ** 2", "double: 512, 512");
  EXPECT_ANSWER("1 + null", "int64: null, null");
  EXPECT_ANSWER("1_0",
                "Invalid: expression '1_0' at character 2: expected an operator after a "
                "number");
}

TEST_F(ExpressionTest, DistancesOnTheEarth) {
  // JFK to LAX by the formula in Python; half of the Earth's girth.
  EXPECT_ANSWER("round(haversine(40.6397, -73.7789, 33.9425, -118.4081), 3)",
                "double: 3974211.678, 3974211.678");
  EXPECT_ANSWER("round(haversine(0, 0, 0, 180), 3)", "double: 20015114.442, 20015114.442");
  EXPECT_ANSWER("haversine(x, y, x, y)", "double: 0, null");
  EXPECT_ANSWER("is_nan(haversine(nan, 0, 0, 0))", "bool: true, null");
}

TEST_F(ExpressionTest, Patterns) {
  EXPECT_ANSWER("regexp_matches(s, '^O.*o$')", "bool: true, null");
  EXPECT_ANSWER("regexp_matches(s, 'sl') and not regexp_matches(s, '^sl')", "bool: true, null");
  EXPECT_ANSWER("regexp_matches(accents, '^.{10}$')", "bool: true, null");
  EXPECT_ANSWER("regexp_extract('flight AA-1234 to', '([A-Z]+)-(\\d+)')",
                "string: AA-1234, AA-1234");
  EXPECT_ANSWER("regexp_extract('flight AA-1234 to', '([A-Z]+)-(\\d+)', 2)", "string: 1234, 1234");
  EXPECT_ANSWER("regexp_extract(s, '(x)|o', 1)", "string: , null");
  EXPECT_ANSWER("regexp_extract(s, 'x')", "string: , null");
  EXPECT_ANSWER("regexp_replace('a.b.c', '\\.', '-')", "string: a-b.c, a-b.c");
  EXPECT_ANSWER("regexp_replace('a.b.c', '\\.', '-', 'g')", "string: a-b-c, a-b-c");
  EXPECT_ANSWER("regexp_replace(s, '(?i)(O)(s)', '\\2\\1')", "string: sOlo, null");
  EXPECT_THAT(Answer("regexp_matches(s, '(a')"),
              ::testing::HasSubstr("the pattern '(a' is none: missing )"));
  EXPECT_THAT(Answer("regexp_matches(s, s)"), ::testing::HasSubstr("takes a pattern in quotes"));
  EXPECT_THAT(Answer("regexp_matches(s, '((a{100}){100}){100}')"),
              ::testing::HasSubstr("is none: "));
  EXPECT_THAT(Answer("regexp_replace(s, 'a', '\\1')"), ::testing::HasSubstr("the replacement"));
  EXPECT_THAT(Answer("regexp_replace(s, 'a', '', 'i')"), ::testing::HasSubstr("no option 'i'"));
  EXPECT_THAT(Answer("regexp_extract(s, '(a)', 2)"), ::testing::HasSubstr("from 0"));
  EXPECT_THAT(Answer("regexp_matches(i, 'a')"), ::testing::HasSubstr("takes a string"));
}

TEST_F(ExpressionTest, GeodesicsOfTheEllipsoid) {
  // A quarter of a meridian, and half of the equator's girth, which goes over a pole instead.
  EXPECT_ANSWER("round(geodesic_distance(0, 0, 90, 0), 3)", "double: 10001965.729, 10001965.729");
  EXPECT_ANSWER("round(geodesic_distance(0, 0, 0, 180), 3)", "double: 20003931.459, 20003931.459");
  EXPECT_ANSWER("geodesic_distance(x, y, x, y)", "double: 0, null");
  EXPECT_ANSWER("is_nan(geodesic_distance(91, 0, 0, 0))", "bool: true, true");
  EXPECT_ANSWER("is_nan(geodesic_distance(nan, 0, 0, 0))", "bool: true, null");
}

TEST_F(ExpressionTest, TimesInZones) {
  EXPECT_ANSWER("from_utc_timestamp(event_time, 'America/New_York')",
                "timestamp[us]: 2013-01-01 00:00:00.000000, null");
  EXPECT_ANSWER("date_trunc('day', t, 'America/New_York')",
                "timestamp[us]: 2013-03-09 05:00:00.000000, null");
  EXPECT_ANSWER("date_trunc('month', event_time, 'Asia/Tokyo')",
                "timestamp[us, tz=UTC]: 2012-12-31 15:00:00.000000Z, null");
  // A clock that leaps over the time, and one that shows it twice.
  EXPECT_ANSWER("to_utc_timestamp(timestamp '2024-03-31 02:30', 'Europe/Oslo')",
                "timestamp[us, tz=UTC]: 2024-03-31 01:00:00.000000Z, "
                "2024-03-31 01:00:00.000000Z");
  EXPECT_ANSWER("to_utc_timestamp(timestamp '2024-10-27 02:30', 'Europe/Oslo')",
                "timestamp[us, tz=UTC]: 2024-10-27 00:30:00.000000Z, "
                "2024-10-27 00:30:00.000000Z");
  // Arrow reads no rules beyond the last change that is listed: summer time ends with 2037.
  EXPECT_ANSWER("hour(from_utc_timestamp(timestamp '2037-07-01', 'Europe/Oslo'))", "int64: 2, 2");
  EXPECT_ANSWER("hour(from_utc_timestamp(timestamp '2050-07-01', 'Europe/Oslo'))", "int64: 1, 1");
  EXPECT_THAT(Answer("from_utc_timestamp(t, 'Europe/Olso')"),
              ::testing::HasSubstr("there is no time zone 'Europe/Olso'"));
  EXPECT_THAT(Answer("from_utc_timestamp(t, s)"), ::testing::HasSubstr("a time zone in quotes"));
  EXPECT_THAT(Answer("date_trunc('day', d, 'Europe/Oslo')"),
              ::testing::HasSubstr("'date_trunc' takes a timestamp beside a time zone, not date"));
}

TEST_F(ExpressionTest, ListsAndMapsAreTakenAndNotGiven) {
  EXPECT_ANSWER("dot_product(list, list)", "double: null, null");
  EXPECT_ANSWER("cosine_similarity(null, list)", "double: null, null");
  EXPECT_ANSWER("list is null", "bool: true, true");
  EXPECT_THAT(Answer("list"), ::testing::HasSubstr("the result is a list of numbers"));
  EXPECT_THAT(Answer("coalesce(list, list)"),
              ::testing::HasSubstr("'coalesce' takes single values, not a list of numbers"));
  EXPECT_THAT(Answer("l2_norm(x)"),
              ::testing::HasSubstr("'l2_norm' takes lists of numbers, not double"));
  EXPECT_THAT(Answer("element_at(list, 1)"),
              ::testing::HasSubstr("'element_at' takes a map and a key, or a struct and a "
                                   "member's name, not a list of numbers"));
}

TEST_F(ExpressionTest, IntegersThatOverflowAreNull) {
  EXPECT_ANSWER("most + 1", "int64: null, null");
  EXPECT_ANSWER("least_int - 1", "int64: null, null");
  EXPECT_ANSWER("most * 2", "int64: null, null");
  EXPECT_ANSWER("-least_int", "int64: null, null");
  EXPECT_ANSWER("abs(least_int)", "int64: null, null");
  EXPECT_ANSWER("least_int // -1", "int64: null, null");
  EXPECT_ANSWER("least_int % -1", "int64: 0, null");
  EXPECT_ANSWER("-9223372036854775808", "int64: -9223372036854775808, -9223372036854775808");
}

TEST_F(ExpressionTest, Comparisons) {
  EXPECT_ANSWER("i > n", "bool: true, null");
  EXPECT_ANSWER("i >= 7 and i <= 7", "bool: true, null");
  EXPECT_ANSWER("i == 7.0", "bool: true, null");
  EXPECT_ANSWER("i <> 7", "bool: false, null");
  EXPECT_ANSWER("i != 8", "bool: true, null");
  EXPECT_ANSWER("nan = nan", "bool: false, null");
  EXPECT_ANSWER("s = 'Oslo'", "bool: true, null");
  EXPECT_ANSWER("s < 'Paris'", "bool: true, null");
  EXPECT_ANSWER("yes > no", "bool: true, null");
  EXPECT_ANSWER("t >= '2013-03-09'", "bool: true, null");
  EXPECT_ANSWER("event_time = timestamp '2013-01-01T05:00:00Z'", "bool: true, null");
  EXPECT_ANSWER("d = '2012-02-29'", "bool: true, null");
  EXPECT_ANSWER("d < '2012-02-29 01:00'", "bool: true, null");
  EXPECT_ANSWER("t > d", "bool: true, null");
  EXPECT_ANSWER("i between 7 and 8", "bool: true, null");
  EXPECT_ANSWER("i not between 7 and 8 or no", "bool: false, null");
  EXPECT_ANSWER("i in (1, 7)", "bool: true, null");
  EXPECT_ANSWER("i in (1, null)", "bool: null, null");
  EXPECT_ANSWER("i in (7, null)", "bool: true, null");
  EXPECT_ANSWER("i not in (1, 2.5)", "bool: true, null");
  EXPECT_ANSWER("i in (n, 1, i)", "bool: true, null");
  EXPECT_ANSWER("s in ('a','b','c','d','e','f','g','h','Oslo','z')", "bool: true, null");
  EXPECT_ANSWER("x in (1,2,3,4,5,6,7,8,9,2.5)", "bool: true, null");
  EXPECT_ANSWER("d in ('2012-02-29', '2013-01-01')", "bool: true, null");
}

TEST_F(ExpressionTest, LogicIsKleenes) {
  EXPECT_ANSWER("no and null", "bool: false, null");
  EXPECT_ANSWER("yes and null", "bool: null, null");
  EXPECT_ANSWER("yes or null", "bool: true, null");
  EXPECT_ANSWER("no or null", "bool: null, null");
  EXPECT_ANSWER("yes or i is null", "bool: true, true");
  EXPECT_ANSWER("not yes", "bool: false, null");
  EXPECT_ANSWER("not i > 3 and true", "bool: false, null");
  EXPECT_ANSWER("i is null", "bool: false, true");
  EXPECT_ANSWER("i is not null", "bool: true, false");
  EXPECT_ANSWER("list is null", "bool: true, true");
  EXPECT_ANSWER("null is null", "bool: true, true");
  EXPECT_ANSWER("null", "null: null, null");
}

TEST_F(ExpressionTest, Choices) {
  EXPECT_ANSWER("if(i > 3, 'hot', 'cold')", "string: hot, cold");
  EXPECT_ANSWER("if(i is null, 0, x * 1.8 + 32)", "double: 36.5, 0");
  EXPECT_ANSWER("case when x > 3 then 1 when x > 2 then 2 else 3 end", "int64: 2, 3");
  EXPECT_ANSWER("case when x > 2 then s end", "string: Oslo, null");
  EXPECT_ANSWER("case i when 6 then 'six' when 7 then 'seven' else 'many' end",
                "string: seven, many");
  EXPECT_ANSWER("coalesce(i, x, 0)", "double: 7, 0");
  EXPECT_ANSWER("coalesce(null, s, 'none')", "string: Oslo, none");
  EXPECT_ANSWER("coalesce(d, '2000-01-01')", "date32[day]: 2012-02-29, 2000-01-01");
  EXPECT_ANSWER("nullif(i, 7)", "int64: null, null");
  EXPECT_ANSWER("nullif(i, 7.5)", "int64: 7, null");
  EXPECT_ANSWER("max(i, n, 2.5)", "double: 7, 2.5");
  EXPECT_ANSWER("min(i, n)", "int64: -3, null");
  EXPECT_ANSWER("greatest(nan, x)", "double: nan, null");
  EXPECT_ANSWER("least(nan, x)", "double: 2.5, null");
  EXPECT_ANSWER("least(x, nan)", "double: 2.5, null");
  EXPECT_ANSWER("max(s, 'Paris')", "string: Paris, Paris");
  EXPECT_ANSWER("clip(i, 0, 5)", "int64: 5, null");
  EXPECT_ANSWER("clip(y, 0, 5)", "double: 0, null");
}

TEST_F(ExpressionTest, FunctionsOfNumbers) {
  EXPECT_ANSWER("abs(n)", "int64: 3, null");
  EXPECT_ANSWER("abs(y)", "double: 0.5, null");
  EXPECT_ANSWER("floor(y)", "double: -1, null");
  EXPECT_ANSWER("ceil(x)", "double: 3, null");
  EXPECT_ANSWER("floor(i)", "int64: 7, null");
  EXPECT_ANSWER("round(x)", "double: 3, null");
  EXPECT_ANSWER("round(1234.567, 1)", "double: 1234.6, 1234.6");
  EXPECT_ANSWER("round(1234.567, -2)", "double: 1200, 1200");
  EXPECT_ANSWER("sqrt(6.25)", "double: 2.5, 2.5");
  EXPECT_ANSWER("exp(0) + ln(1) + log(1) + log1p(0)", "double: 1, 1");
  EXPECT_ANSWER("pow(i, 2)", "double: 49, null");
  EXPECT_ANSWER("sign(n)", "int64: -1, null");
  EXPECT_ANSWER("is_nan(nan)", "bool: true, null");
  EXPECT_ANSWER("is_finite(x)", "bool: true, null");
  EXPECT_ANSWER("sin(pi() / 2)", "double: 1, 1");
  EXPECT_ANSWER("planes.year + \"odd name\" + `odd name`", "int64: 2001, null");
}

TEST_F(ExpressionTest, Times) {
  EXPECT_ANSWER("year(event_time) - planes.year", "int64: 14, null");
  EXPECT_ANSWER("quarter(t)", "int64: 1, null");
  EXPECT_ANSWER("month(t) * 100 + day(t)", "int64: 309, null");
  EXPECT_ANSWER("hour(t)", "int64: 17, null");
  EXPECT_ANSWER("minute(t)", "int64: 45, null");
  EXPECT_ANSWER("second(t)", "int64: 30, null");
  EXPECT_ANSWER("day_of_week(t)", "int64: 5, null");
  EXPECT_ANSWER("day_of_week(date '1970-01-01')", "int64: 3, 3");
  EXPECT_ANSWER("is_weekend(t)", "bool: true, null");
  EXPECT_ANSWER("day_of_year(d)", "int64: 60, null");
  EXPECT_ANSWER("week(date '2021-01-03')", "int64: 53, 53");
  EXPECT_ANSWER("hour(d)", "int64: 0, null");
  EXPECT_ANSWER("t - date '2013-03-09'", "double: 63930.25, null");
  EXPECT_ANSWER("seconds_between(event_time, t)", "double: 5834730.25, null");
  EXPECT_ANSWER("hours_between('2013-01-01', event_time)", "double: 5, null");
  EXPECT_ANSWER("days_between(d, '2012-03-01')", "double: 1, null");
  EXPECT_ANSWER("date_trunc('hour', t)", "timestamp[us]: 2013-03-09 17:00:00.000000, null");
  EXPECT_ANSWER("date_trunc('week', t)", "timestamp[us]: 2013-03-04 00:00:00.000000, null");
  EXPECT_ANSWER("date_trunc('month', d)", "date32[day]: 2012-02-01, null");
  EXPECT_ANSWER("date_trunc('quarter', event_time) = '2013-01-01'", "bool: true, null");
  EXPECT_ANSWER("t + 0.75", "timestamp[us]: 2013-03-09 17:45:31.000000, null");
  EXPECT_ANSWER("t - 3600", "timestamp[us]: 2013-03-09 16:45:30.250000, null");
  EXPECT_ANSWER("add_days(d, 1)", "date32[day]: 2012-03-01, null");
  EXPECT_ANSWER("add_days(event_time, -1) < event_time", "bool: true, null");
  EXPECT_ANSWER("add_months(d, 12)", "date32[day]: 2013-02-28, null");
  EXPECT_ANSWER("add_months(date '2013-01-31', 1)", "date32[day]: 2013-02-28, 2013-02-28");
  EXPECT_ANSWER("add_months(t, -3) = timestamp '2012-12-09 17:45:30.25'", "bool: true, null");
  EXPECT_ANSWER("add_months(t, most)", "timestamp[us]: null, null");
  EXPECT_ANSWER("date_diff('month', date '2013-01-31', t)", "int64: 2, null");
  EXPECT_ANSWER("date_diff('year', t, d)", "int64: -1, null");
  EXPECT_ANSWER("date_diff('quarter', date '2013-03-31', date '2013-04-01')", "int64: 1, 1");
  EXPECT_ANSWER("date_diff('week', date '2013-01-06', date '2013-01-07')", "int64: 1, 1");
  EXPECT_ANSWER("date_diff('day', timestamp '2013-03-08 23:59', t)", "int64: 1, null");
  EXPECT_ANSWER("date_diff('hour', timestamp '2013-03-09 16:59:59', t)", "int64: 1, null");
  EXPECT_ANSWER("date_diff('second', t, timestamp '1969-12-31 23:59:59') < 0", "bool: true, null");
  EXPECT_ANSWER("epoch_seconds(event_time)", "double: 1357016400, null");
  EXPECT_ANSWER("year(timestamp '1969-12-31 23:59:59')", "int64: 1969, 1969");
}

TEST_F(ExpressionTest, Texts) {
  EXPECT_ANSWER("lower(s)", "string: oslo, null");
  EXPECT_ANSWER("upper(accents)", "string: ÆRØSKØBING, null");
  EXPECT_ANSWER("length(accents)", "int64: 10, null");
  EXPECT_ANSWER("concat(s, '-', s)", "string: Oslo-Oslo, null");
  EXPECT_ANSWER("'it''s ' || s", "string: it's Oslo, null");
  EXPECT_ANSWER("starts_with(s, 'Os')", "bool: true, null");
  EXPECT_ANSWER("ends_with(s, 'Os')", "bool: false, null");
  EXPECT_ANSWER("contains(s, 'sl')", "bool: true, null");
  EXPECT_ANSWER("s like '_s%o'", "bool: true, null");
  EXPECT_ANSWER("accents like '_r_%' and accents not like '%x%'", "bool: true, null");
  EXPECT_ANSWER("trim(number_text)", "string: 12.5, null");
  EXPECT_ANSWER("substring(accents, 3, 2)", "string: øs, null");
  EXPECT_ANSWER("substring(s, 0, 2)", "string: O, null");
  EXPECT_ANSWER("substring(s, 99)", "string: , null");
  EXPECT_ANSWER("substr(s, 2)", "string: slo, null");
  EXPECT_ANSWER("replace('banana', 'an', s)", "string: bOsloOsloa, null");
  EXPECT_ANSWER("replace(s, '', 'x')", "string: Oslo, null");
  EXPECT_ANSWER("replace(s, 'slo', '')", "string: O, null");
  EXPECT_ANSWER("split_part('a-b-c', '-', 2)", "string: b, b");
  EXPECT_ANSWER("split_part('a-b-c', '-', -1)", "string: c, c");
  EXPECT_ANSWER("split_part('a-b-c', '-', -3)", "string: a, a");
  EXPECT_ANSWER("split_part('a-b-c', '-', 4)", "string: , ");
  EXPECT_ANSWER("split_part('a-b-c', '-', -4)", "string: , ");
  EXPECT_ANSWER("split_part('a-b-c', '-', 0)", "string: , ");
  EXPECT_ANSWER("split_part(s, '', 1)", "string: Oslo, null");
  EXPECT_ANSWER("split_part(s, 's', least_int)", "string: , null");
}

TEST_F(ExpressionTest, Casts) {
  EXPECT_ANSWER("cast(i as double) / 2", "double: 3.5, null");
  EXPECT_ANSWER("double(number_text)", "double: 12.5, null");
  EXPECT_ANSWER("double(s)", "double: null, null");
  EXPECT_ANSWER("int(-2.9)", "int64: -2, -2");
  EXPECT_ANSWER("int(nan)", "int64: null, null");
  EXPECT_ANSWER("int(1e19)", "int64: null, null");
  EXPECT_ANSWER("int('+12')", "int64: 12, 12");
  EXPECT_ANSWER("int(yes) + int(no)", "int64: 1, null");
  EXPECT_ANSWER("bool(zero)", "bool: false, null");
  EXPECT_ANSWER("cast('TRUE' as bool)", "bool: true, true");
  EXPECT_ANSWER("string(i) || string(x) || string(yes)", "string: 72.5true, null");
  EXPECT_ANSWER("string(double(i))", "string: 7.0, null");
  EXPECT_ANSWER("string(d)", "string: 2012-02-29, null");
  EXPECT_ANSWER("string(event_time)", "string: 2013-01-01T05:00:00Z, null");
  EXPECT_ANSWER("string(t)", "string: 2013-03-09T17:45:30.250000, null");
  EXPECT_ANSWER("timestamp(s)", "timestamp[us]: null, null");
  EXPECT_ANSWER("date(t)", "date32[day]: 2013-03-09, null");
  EXPECT_ANSWER("cast(string(d) as date) = d", "bool: true, null");
}

TEST_F(ExpressionTest, ErrorsNameThePlaceAndWhatWasExpected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "at character 1: expected a value, a column or a function, found the end"},
      {"a + ", "at character 5: expected a value"},
      {"(a", "at character 3: expected ')', found the end"},
      {"a b", "at character 3: expected an operator or the end, found 'b'"},
      {"1 < 2 < 3", "at character 7: comparisons don't chain"},
      {"'abc", "at character 1: expected the closing '"},
      {"a in ()", "'in' needs at least one value"},
      {"a ; b", "at character 3: ';' has no meaning here"},
      {"case x end", "expected 'when', found 'end'"},
      {"cast(a as list)", "expected a type"},
      {"99999999999999999999", "does not fit in 64 bits"},
      {"1e999", "out of range"},
      {"select", "there is no column 'select'"},
      {"\xFF", "not UTF-8"},
      {"if(yes, 1)", "'if' takes 3 arguments, not 2"},
      {"amnt + 1", "there is no column 'amnt'"},
      {"\"AA\" = s", "a text goes in single quotes"},
      {"yeer(t)", "there is no function 'yeer' (did you mean 'year'?)"},
      {"year(s)", "at character 1: 'year' takes a timestamp or date, not string"},
      {"yes + 1", "int(x)"},
      {"s = 1", "'=' needs values of one type"},
      {"i = 'one'", "'=' needs values of one type"},
      {"t > 'soon'", "soon"},
      {"not i", "'not' takes a bool, not int64"},
      {"if(i, 1, 2)", "'if' takes a bool as its condition, not int64"},
      {"d + 1", "add_days"},
      {"list", "the result is a list of numbers"},
      {"list = 1", "'=' takes single values"},
      {"min(i)", "at least two values"},
      {"date_trunc('century', t)", "'second', 'minute'"}};
  for (const auto& [text, message] : cases) {
    const auto answer = Evaluate(text);
    ASSERT_FALSE(answer.ok()) << text;
    EXPECT_NE(answer.status().message().find(message), std::string::npos)
        << text << ": " << answer.status();
  }
  EXPECT_TRUE(Evaluate("amnt").status().IsKeyError());
  EXPECT_TRUE(Evaluate("year(s)").status().IsTypeError());
  EXPECT_TRUE(Evaluate("a +").status().IsInvalid());
}

TEST_F(ExpressionTest, LongAndDeepTextsAreBounded) {
  EXPECT_TRUE(Expression::Parse(std::string(70'000, ' ')).status().IsInvalid());
  for (const std::string_view opening : {"(", "- ", "not ", "abs(", "2 ** "}) {
    std::string deep;
    for (int k = 0; k < 1000; ++k) deep += opening;
    EXPECT_TRUE(Expression::Parse(deep).status().IsInvalid());
  }
  std::string chain = "i";
  for (int k = 0; k < 20'000; ++k) chain += "+1";
  EXPECT_ANSWER(chain, "int64: 20007, null");
  std::string calls = "i";
  for (int k = 0; k < 150; ++k) calls = "abs(" + calls + ")";
  EXPECT_ANSWER(calls, "int64: 7, null");
}

TEST_F(ExpressionTest, ColumnsAreListedOnceInOrder) {
  const Expression expression = *Expression::Parse("planes.year + a * \"b c\" - a");
  EXPECT_EQ(expression.columns(), (std::vector<std::string>{"planes.year", "a", "b c"}));
}

TEST_F(ExpressionTest, ABatchOfOtherTypesIsRefused) {
  const auto compiled = *CompiledExpression::Compile(*Expression::Parse("i"), *rows_->schema());
  const auto other =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("i", arrow::utf8())}), 1,
                               arrow::ArrayVector{*arrow::MakeArrayOfNull(arrow::utf8(), 1)});
  EXPECT_TRUE(compiled->Evaluate(*other).status().IsTypeError());
  const auto narrow =
      arrow::RecordBatch::Make(arrow::schema(arrow::FieldVector{}), 1, arrow::ArrayVector{});
  EXPECT_TRUE(compiled->Evaluate(*narrow).status().IsInvalid());
  const auto empty = rows_->Slice(0, 0);
  EXPECT_EQ((*compiled->Evaluate(*empty))->length(), 0);
}

}  // namespace
}  // namespace tercet
