#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <arrow/util/bit_util.h>
#include <gtest/gtest.h>

#include "base/arena.h"
#include "base/parallel.h"
#include "compute/cell_check.h"
#include "compute/expression.h"

namespace tercet {
namespace {

/// Random values with nulls, extremes and NaN.
std::shared_ptr<arrow::RecordBatch> RandomRows(int64_t rows, std::mt19937_64& random) {
  arrow::Int64Builder i, j;
  arrow::DoubleBuilder x, y;
  arrow::FloatBuilder f;
  arrow::BooleanBuilder b;
  arrow::StringBuilder s;
  arrow::TimestampBuilder t(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                            arrow::default_memory_pool());
  std::normal_distribution<double> normal(0, 100);
  const auto append = [&](auto& builder, auto value) {
    EXPECT_TRUE((random() % 10 == 0 ? builder.AppendNull() : builder.Append(value)).ok());
  };
  for (int64_t k = 0; k < rows; ++k) {
    append(i, static_cast<int64_t>(random()) >> (random() % 64));
    append(j, static_cast<int64_t>(random() % 7) - 3);
    append(x, random() % 50 == 0 ? NAN : normal(random));
    append(y, random() % 50 == 0 ? HUGE_VAL : normal(random));
    append(f, static_cast<float>(normal(random)));
    append(b, random() % 2 == 0);
    append(s, std::vector<std::string>{"", "Ab", "b\xC3\xA9", "Ab\xC3\xA9z", "b"}[random() % 5]);
    append(t, static_cast<int64_t>(random()) >> (random() % 30));
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("i", arrow::int64()), arrow::field("j", arrow::int64()),
                     arrow::field("x", arrow::float64()), arrow::field("y", arrow::float64()),
                     arrow::field("f", arrow::float32()), arrow::field("b", arrow::boolean()),
                     arrow::field("s", arrow::utf8()), arrow::field("t", t.type())}),
      rows,
      arrow::ArrayVector{*i.Finish(), *j.Finish(), *x.Finish(), *y.Finish(), *f.Finish(),
                         *b.Finish(), *s.Finish(), *t.Finish()});
}

/// Bytes of an array: values, and validity where there are nulls.
void ExpectSameBits(const arrow::Array& whole, int64_t at, const arrow::Array& part) {
  ASSERT_EQ(whole.type_id(), part.type_id());
  for (int64_t i = 0; i < part.length(); ++i) {
    ASSERT_EQ(whole.IsNull(at + i), part.IsNull(i)) << "row " << at + i;
    if (part.IsNull(i)) continue;
    if (part.type_id() == arrow::Type::DOUBLE) {
      ASSERT_EQ(std::memcmp(whole.data()->GetValues<double>(1) + at + i,
                            part.data()->GetValues<double>(1) + i, 8),
                0)
          << "row " << at + i;
    } else {
      ASSERT_TRUE(whole.RangeEquals(at + i, at + i + 1, i, part)) << "row " << at + i;
    }
  }
}

/// One row on cells gives what the batch gave.
void ExpectSameOnCells(const CompiledExpression& compiled, const arrow::RecordBatch& batch,
                       int64_t row, const arrow::Array& whole, Arena* memory) {
  if (whole.type_id() == arrow::Type::NA) return;  // no type of cells
  ASSERT_TRUE(compiled.takes_cells());
  memory->Reset();
  Cell answer;
  ASSERT_TRUE(compiled.EvaluateRow(RowOfCells(batch, row), memory, &answer).ok());
  ExpectSameCell(whole, row, answer);
}

TEST(ExpressionPropertyTest, AnyBatchSizeGivesTheSameBits) {
  std::mt19937_64 random(2013);
  const int64_t rows = 2500;
  const auto batch = RandomRows(rows, random);
  const std::vector<std::string> texts = {"x * 1.8 + y / f - i",
                                          "i + j * 3 // j % 5",
                                          "sqrt(abs(x)) + exp(y / 100) + ln(x) + log1p(y)",
                                          "pow(abs(x), 0.3) + sin(x) * cos(y) + atan2(x, y)",
                                          "case when x > y then x when b then y else f end",
                                          "coalesce(x, y, f, 0) // 3",
                                          "x between -10 and y or b and not i > j",
                                          "s in ('Ab', 'b\xC3\xA9', null)",
                                          "upper(s) || '-' || lower(s) || string(x)",
                                          "length(s) + year(t) * day_of_year(t)",
                                          "date_trunc('month', t)",
                                          "t + x",
                                          "epoch_seconds(t) - x",
                                          "string(t)",
                                          "double(string(x))",
                                          "min(x, y, f)",
                                          "max(i, j)",
                                          "clip(x, y, f)",
                                          "is_weekend(t) and b",
                                          "nullif(j, 0)",
                                          "x % y",
                                          "round(x, 2)",
                                          "int(x) % j",
                                          "s like '%b_'",
                                          "substring(s, j, 2)",
                                          "replace(s, 'b', upper(s))",
                                          "split_part(s, 'b', j)",
                                          "haversine(x, y, f, j)",
                                          "regexp_replace(s, '[bz]|é', '<\\0>', 'g')",
                                          "regexp_extract(s, '(A)?(b)', 2) || lower(s)",
                                          "regexp_matches(s, 'z$') or b",
                                          "geodesic_distance(x, y, f, j)",
                                          "date_trunc('week', t, 'America/Sao_Paulo')",
                                          "date_trunc('minute', t, 'Asia/Kathmandu')",
                                          "to_utc_timestamp(t, 'Australia/Lord_Howe')",
                                          "element_at(map('Ab', 1, 'b', 2.5), s) + x",
                                          "date_diff('month', t, timestamp '2013-01-31')",
                                          "add_months(t, j)",
                                          "i is null",
                                          "if(b, s, 'no')",
                                          "date(t)",
                                          "i / j",
                                          "null",
                                          "1 + 1"};
  Arena memory;
  for (const std::string& text : texts) {
    SCOPED_TRACE(text);
    const auto compiled = *CompiledExpression::Compile(*Expression::Parse(text), *batch->schema());
    const auto whole = *compiled->Evaluate(*batch);
    ASSERT_TRUE(whole->ValidateFull().ok());
    for (int64_t i = 0; i < 1200; ++i) {
      ExpectSameBits(*whole, i, **compiled->Evaluate(*batch->Slice(i, 1)));
      ExpectSameOnCells(*compiled, *batch, i, *whole, &memory);
    }
    for (int64_t at = 0; at < rows; at += 700) {
      ExpectSameBits(*whole, at, **compiled->Evaluate(*batch->Slice(at, 700)));
    }
  }
}

/// Expressions that mostly compile: any function of any operands.
std::string AnyExpression(std::mt19937_64& random, int depth) {
  static const std::vector<std::string> leaves = {"i",
                                                  "j",
                                                  "x",
                                                  "y",
                                                  "f",
                                                  "b",
                                                  "s",
                                                  "t",
                                                  "0",
                                                  "1",
                                                  "7",
                                                  "-1.5",
                                                  "1e300",
                                                  "'Ab'",
                                                  "'%b'",
                                                  "''",
                                                  "null",
                                                  "true",
                                                  "i",
                                                  "x",
                                                  "9223372036854775807",
                                                  "-9223372036854775808",
                                                  "timestamp '2013-01-01'",
                                                  "date '1969-02-28'"};
  static const std::vector<std::string> unary = {
      "-",      "not ",      "abs",    "sign",        "floor",       "ceil",       "round",
      "sqrt",   "exp",       "ln",     "log2",        "log1p",       "sin",        "atan",
      "is_nan", "is_finite", "year",   "quarter",     "month",       "week",       "day",
      "hour",   "minute",    "second", "day_of_week", "day_of_year", "is_weekend", "epoch_seconds",
      "lower",  "upper",     "trim",   "length",      "double",      "int",        "bool",
      "string", "timestamp", "date"};
  static const std::vector<std::string> infix = {"+",  "-",   "*",  "/",  "//",  "%",
                                                 "**", "=",   "<>", "<",  "<=",  ">",
                                                 ">=", "and", "or", "||", "like"};
  static const std::vector<std::string> binary = {
      "pow",       "atan2",           "min",          "max",      "coalesce",
      "nullif",    "seconds_between", "days_between", "add_days", "concat",
      "substring", "starts_with",     "ends_with",    "contains", "round",
      "add_months"};
  static const std::vector<std::string> units = {"second", "day", "week", "month", "year"};
  const auto pick = [&](const std::vector<std::string>& from) {
    return from[random() % from.size()];
  };
  const auto part = [&] { return AnyExpression(random, depth - 1); };
  if (depth == 0) return pick(leaves);
  switch (random() % 10) {
    case 0:
      return pick(leaves);
    case 1:
    case 2:
      return pick(unary) + "(" + part() + ")";
    case 3:
    case 4:
    case 5:
      return "(" + part() + ") " + pick(infix) + " (" + part() + ")";
    case 6:
      return pick(binary) + "(" + part() + ", " + part() + ")";
    case 7:
      return "if(" + part() + ", " + part() + ", " + part() + ")";
    case 8:
      return "(" + part() + ") in (" + part() + ", " + pick(leaves) + ") or (" + part() +
             ") is null";
    default:
      if (random() % 4 == 0) return "regexp_replace(" + part() + ", '[Ab]', 'x')";
      if (random() % 4 == 0) return "element_at(map('Ab', 1, 'b', 2), " + part() + ")";
      if (random() % 4 == 0) return "from_utc_timestamp(" + part() + ", 'Europe/Oslo')";
      return random() % 2 == 0 ? "date_trunc('" + pick(units) + "', " + part() + ")"
                               : "(" + part() + ") between (" + part() + ") and (" + part() + ")";
  }
}

TEST(ExpressionPropertyTest, AnyExpressionGivesTheSameBitsForOneRow) {
  std::mt19937_64 random(17);
  const auto batch = RandomRows(24, random);
  int compiled_count = 0;
  Arena memory;
  for (int k = 0; k < 20'000; ++k) {
    const std::string text = AnyExpression(random, 1 + static_cast<int>(random() % 4));
    const auto expression = Expression::Parse(text);
    ASSERT_TRUE(expression.ok()) << expression.status();
    const auto compiled = CompiledExpression::Compile(*expression, *batch->schema());
    if (!compiled.ok()) {
      ASSERT_TRUE(compiled.status().IsTypeError() || compiled.status().IsInvalid())
          << compiled.status();
      continue;
    }
    ++compiled_count;
    SCOPED_TRACE(text);
    const auto whole = *(*compiled)->Evaluate(*batch);
    ASSERT_TRUE(whole->ValidateFull().ok()) << whole->ValidateFull();
    for (int64_t i = 0; i < batch->num_rows(); i += 5) {
      ExpectSameBits(*whole, i, **(*compiled)->Evaluate(*batch->Slice(i, 1)));
    }
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      ExpectSameOnCells(**compiled, *batch, i, *whole, &memory);
    }
  }
  EXPECT_GT(compiled_count, 1500);
}

/// A column of random bytes of a fixed width, some of them null, as any type of that width.
std::shared_ptr<arrow::Array> RandomBytes(const std::shared_ptr<arrow::DataType>& type,
                                          int64_t rows, std::mt19937_64& random) {
  const int64_t width = type->byte_width();
  auto values = *arrow::AllocateBuffer(rows * width);
  auto valid = *arrow::AllocateEmptyBitmap(rows);
  for (int64_t i = 0; i < rows; ++i) {
    // Small and large values of both signs.
    const auto value = static_cast<int64_t>(random()) >> (random() % 64);
    std::memcpy(values->mutable_data() + i * width, &value, static_cast<size_t>(width));
    arrow::bit_util::SetBitTo(valid->mutable_data(), i, random() % 8 != 0);
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(type, rows, {std::move(valid), std::move(values)}));
}

TEST(ExpressionPropertyTest, CellsOfAnyTypeAreReadAsColumnsAre) {
  std::mt19937_64 random(5);
  std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::int8(),    arrow::int16(),  arrow::int32(),  arrow::int64(),   arrow::uint8(),
      arrow::uint16(),  arrow::uint32(), arrow::uint64(), arrow::float32(), arrow::float64(),
      arrow::date32(),  arrow::date64(), arrow::time32(arrow::TimeUnit::SECOND),
      arrow::time32(arrow::TimeUnit::MILLI), arrow::time64(arrow::TimeUnit::MICRO),
      arrow::time64(arrow::TimeUnit::NANO)};
  for (const auto unit : arrow::TimeUnit::values()) {
    types.push_back(arrow::timestamp(unit));
    types.push_back(arrow::timestamp(unit, "UTC"));
    types.push_back(arrow::duration(unit));
  }
  Arena memory;
  for (const auto& type : types) {
    SCOPED_TRACE(type->ToString());
    const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("c", type)}), 300,
                                                {RandomBytes(type, 300, random)});
    for (const std::string text : {"c", "c is null", "coalesce(c, null)"}) {
      const auto compiled =
          *CompiledExpression::Compile(*Expression::Parse(text), *batch->schema());
      const auto whole = *compiled->Evaluate(*batch);
      for (int64_t i = 0; i < 300; ++i) ExpectSameOnCells(*compiled, *batch, i, *whole, &memory);
    }
  }
  const auto list = arrow::schema({arrow::field("c", arrow::list(arrow::float64()))});
  EXPECT_FALSE(
      (*CompiledExpression::Compile(*Expression::Parse("c is null"), *list))->takes_cells());
}

TEST(ExpressionPropertyTest, AnyTokensParseOrAreRefused) {
  std::mt19937_64 random(23);
  const std::vector<std::string> tokens = {
      "i",    "x",       "s",    "1",    "2.5",  "'a'",  "\"x\"", "`",         "(",    ")",
      "[",    "]",       ",",    "+",    "-",    "*",    "/",     "//",        "**",   "%",
      "=",    "<>",      "<",    "||",   "and",  "or",   "not",   "is",        "null", "in",
      "like", "between", "case", "when", "then", "else", "end",   "cast",      "as",   "double",
      "if",   "year",    ".",    "'",    "\"",   "e5",   "date",  "timestamp", "min"};
  const auto rows = RandomRows(2, random);
  for (int k = 0; k < 50'000; ++k) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) {
      text += tokens[random() % tokens.size()];
      if (random() % 4 != 0) text += " ";
    }
    const auto expression = Expression::Parse(text);
    if (!expression.ok()) {
      ASSERT_TRUE(expression.status().IsInvalid()) << expression.status();
      continue;
    }
    const auto compiled = CompiledExpression::Compile(*expression, *rows->schema());
    if (compiled.ok()) {
      ASSERT_TRUE((*(*compiled)->Evaluate(*rows))->ValidateFull().ok()) << text;
    }
  }
}

}  // namespace
}  // namespace tercet
