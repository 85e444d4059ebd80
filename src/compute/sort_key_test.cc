#include "compute/sort_key.h"

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>
#include <gtest/gtest.h>

#include "base/parallel.h"

namespace tercet {
namespace {

constexpr int kRows = 400;

class SortKeyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeArrow(); }
};

int Sign(int value) { return value < 0 ? -1 : value > 0; }

/// What order of rows i and j the values themselves have; null before all.
using Order = std::function<int(int64_t, int64_t)>;

void ExpectSameOrder(const SortKeys& keys, const Order& order) {
  for (int64_t i = 0; i < keys.size(); ++i) {
    for (int64_t j = 0; j < keys.size(); ++j) {
      if (!keys.valid(i) || !keys.valid(j)) continue;
      ASSERT_EQ(Sign(keys.Compare(i, keys, j)), Sign(order(i, j))) << i << " and " << j;
      ASSERT_EQ(Sign(keys.ToBytes(i).compare(keys.ToBytes(j))), Sign(order(i, j)));
    }
  }
}

template <typename T>
int CompareValues(T a, T b) {
  return a < b ? -1 : b < a;
}

/// Random 64-bit patterns of all magnitudes, so that extremes, zeros and equals come up.
int64_t AnyBits(std::mt19937_64& random) {
  const int shift = static_cast<int>(random() % 64);
  const auto bits = static_cast<int64_t>(random());
  return bits >> shift;
}

template <typename Builder>
void ExpectIntegerOrder(const std::shared_ptr<arrow::DataType>& type) {
  SCOPED_TRACE(type->ToString());
  using Value = typename Builder::value_type;
  std::mt19937_64 random(7);
  Builder builder(type, arrow::default_memory_pool());
  std::vector<Value> values;
  for (int i = 0; i < kRows; ++i) {
    const auto value = static_cast<Value>(AnyBits(random));
    values.push_back(value);
    if (i % 17 == 3) {
      ASSERT_TRUE(builder.AppendNull().ok());
    } else {
      ASSERT_TRUE(builder.Append(value).ok());
    }
  }
  const auto array = *builder.Finish();
  const auto order = [&](int64_t i, int64_t j) { return CompareValues(values[i], values[j]); };
  const SortKeys fixed = *SortKeys::Encode({array});
  EXPECT_TRUE(fixed.fixed());
  EXPECT_FALSE(fixed.all_valid());
  EXPECT_FALSE(fixed.valid(3));
  ExpectSameOrder(fixed, order);
  const SortKeys bytes = *SortKeys::Encode({array, array});
  EXPECT_FALSE(bytes.fixed());
  ExpectSameOrder(bytes, order);
  const auto slice = array->Slice(5, 20);
  const SortKeys sliced = *SortKeys::Encode({slice});
  for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(sliced.fixed_value(i), fixed.fixed_value(i + 5));
}

TEST_F(SortKeyTest, OrderOfIntegersDatesAndTimes) {
  ExpectIntegerOrder<arrow::Int8Builder>(arrow::int8());
  ExpectIntegerOrder<arrow::Int16Builder>(arrow::int16());
  ExpectIntegerOrder<arrow::Int32Builder>(arrow::int32());
  ExpectIntegerOrder<arrow::Int64Builder>(arrow::int64());
  ExpectIntegerOrder<arrow::UInt8Builder>(arrow::uint8());
  ExpectIntegerOrder<arrow::UInt16Builder>(arrow::uint16());
  ExpectIntegerOrder<arrow::UInt32Builder>(arrow::uint32());
  ExpectIntegerOrder<arrow::UInt64Builder>(arrow::uint64());
  ExpectIntegerOrder<arrow::Date32Builder>(arrow::date32());
  ExpectIntegerOrder<arrow::Date64Builder>(arrow::date64());
  ExpectIntegerOrder<arrow::Time32Builder>(arrow::time32(arrow::TimeUnit::MILLI));
  ExpectIntegerOrder<arrow::Time64Builder>(arrow::time64(arrow::TimeUnit::NANO));
  ExpectIntegerOrder<arrow::DurationBuilder>(arrow::duration(arrow::TimeUnit::SECOND));
  for (auto unit : arrow::TimeUnit::values()) {
    ExpectIntegerOrder<arrow::TimestampBuilder>(arrow::timestamp(unit));
    ExpectIntegerOrder<arrow::TimestampBuilder>(arrow::timestamp(unit, "Europe/Oslo"));
  }
}

TEST_F(SortKeyTest, OrderOfBooleans) {
  arrow::BooleanBuilder builder;
  ASSERT_TRUE(builder.AppendValues(std::vector<bool>{false, true, true, false}).ok());
  const auto array = *builder.Finish();
  const SortKeys keys = *SortKeys::Encode({array});
  EXPECT_TRUE(keys.fixed());
  EXPECT_LT(keys.Compare(0, keys, 1), 0);
  EXPECT_EQ(keys.Compare(0, keys, 3), 0);
  const SortKeys bytes = *SortKeys::Encode({array->Slice(1), array->Slice(1)});
  EXPECT_GT(bytes.Compare(1, bytes, 2), 0);
}

/// One zero, and NaN after all numbers.
template <typename T>
int CompareFloats(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(a)) - std::isnan(b);
  return CompareValues(a, b);
}

template <typename Builder, typename T>
void ExpectFloatOrder(std::vector<T> values) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<T> uniform(-1, 1);
  while (values.size() < kRows) {
    values.push_back(std::ldexp(uniform(random), static_cast<int>(random() % 200) - 100));
  }
  Builder builder;
  ASSERT_TRUE(builder.AppendValues(values).ok());
  const SortKeys keys = *SortKeys::Encode({*builder.Finish()});
  EXPECT_FALSE(keys.fixed());
  ExpectSameOrder(keys, [&](int64_t i, int64_t j) { return CompareFloats(values[i], values[j]); });
}

TEST_F(SortKeyTest, OrderOfFloats) {
  using D = std::numeric_limits<double>;
  using F = std::numeric_limits<float>;
  ExpectFloatOrder<arrow::DoubleBuilder, double>({0.0, -0.0, D::infinity(), -D::infinity(),
                                                  D::quiet_NaN(), -D::quiet_NaN(), D::min(),
                                                  D::denorm_min(), -D::denorm_min(), D::max()});
  ExpectFloatOrder<arrow::FloatBuilder, float>(
      {0.0f, -0.0f, F::infinity(), -F::infinity(), F::quiet_NaN(), -F::quiet_NaN(), F::max()});
  arrow::HalfFloatBuilder builder;
  std::vector<double> values = {0.0, -0.0, 1.5, -2.25, 65504, -65504, HUGE_VAL, -HUGE_VAL, NAN};
  for (double value : values) {
    ASSERT_TRUE(builder.Append(arrow::util::Float16(value).bits()).ok());
  }
  ExpectSameOrder(*SortKeys::Encode({*builder.Finish()}),
                  [&](int64_t i, int64_t j) { return CompareFloats(values[i], values[j]); });
}

TEST_F(SortKeyTest, OrderOfStringsOfEveryEncoding) {
  std::mt19937_64 random(3);
  std::vector<std::string> values = {"", std::string("\0", 1), std::string("\0\0", 2), "\xFF", "a"};
  while (values.size() < kRows) {
    std::string value(random() % 5, ' ');
    for (char& c : value) c = "\0\1ab\xFE\xFF"[random() % 6];
    values.push_back(value);
  }
  const auto order = [&](int64_t i, int64_t j) { return values[i].compare(values[j]); };
  arrow::BinaryBuilder builder;
  ASSERT_TRUE(builder.AppendValues(values).ok());
  const auto binary = *builder.Finish();
  const SortKeys keys = *SortKeys::Encode({binary});
  ExpectSameOrder(keys, order);
  for (const auto& type : {arrow::large_binary(), arrow::binary_view()}) {
    const auto same = *arrow::compute::Cast(*binary, type);
    const SortKeys others = *SortKeys::Encode({same});
    for (int64_t i = 0; i < keys.size(); ++i) ASSERT_EQ(keys.bytes(i), others.bytes(i));
  }
  const auto encoded = arrow::compute::DictionaryEncode(binary)->make_array();
  const SortKeys decoded = *SortKeys::Encode({encoded});
  for (int64_t i = 0; i < keys.size(); ++i) ASSERT_EQ(keys.bytes(i), decoded.bytes(i));
  const SortKeys sliced = *SortKeys::Encode({binary->Slice(7)});
  EXPECT_EQ(sliced.bytes(0), keys.bytes(7));
}

TEST_F(SortKeyTest, OrderOfDecimalsAndFixedBinary) {
  std::mt19937_64 random(5);
  arrow::Decimal128Builder small(arrow::decimal128(38, 2));
  arrow::Decimal256Builder large(arrow::decimal256(76, 2));
  arrow::Decimal64Builder narrow(arrow::decimal64(18, 2));
  arrow::FixedSizeBinaryBuilder binary(arrow::fixed_size_binary(3));
  std::vector<arrow::Decimal128> decimals;
  std::vector<int64_t> integers;
  std::vector<std::string> texts;
  for (int i = 0; i < kRows; ++i) {
    integers.push_back(AnyBits(random) / 16);
    decimals.emplace_back(AnyBits(random) / 4, random());
    texts.push_back({"\0a\xFF"[random() % 3], "\0a\xFF"[random() % 3], 'x'});
    ASSERT_TRUE(small.Append(decimals.back()).ok());
    ASSERT_TRUE(large.Append(arrow::Decimal256(decimals.back())).ok());
    ASSERT_TRUE(narrow.Append(arrow::Decimal64(integers.back())).ok());
    ASSERT_TRUE(binary.Append(texts.back()).ok());
  }
  const auto order = [&](int64_t i, int64_t j) { return CompareValues(decimals[i], decimals[j]); };
  ExpectSameOrder(*SortKeys::Encode({*small.Finish()}), order);
  ExpectSameOrder(*SortKeys::Encode({*large.Finish()}), order);
  ExpectSameOrder(*SortKeys::Encode({*narrow.Finish()}),
                  [&](int64_t i, int64_t j) { return CompareValues(integers[i], integers[j]); });
  ExpectSameOrder(*SortKeys::Encode({*binary.Finish()}),
                  [&](int64_t i, int64_t j) { return texts[i].compare(texts[j]); });
}

TEST_F(SortKeyTest, CompositeKeysCompareColumnByColumnAndNullsSortFirst) {
  std::mt19937_64 random(9);
  arrow::StringBuilder names;
  arrow::Int32Builder numbers;
  struct Row {
    std::optional<std::string> name;
    std::optional<int32_t> number;
    auto operator<=>(const Row&) const = default;
  };
  std::vector<Row> rows;
  for (int i = 0; i < kRows; ++i) {
    Row row;
    if (random() % 9 != 0) row.name = std::string(random() % 3, "ab"[random() % 2]);
    if (random() % 9 != 0) row.number = static_cast<int32_t>(random() % 5) - 2;
    ASSERT_TRUE((row.name ? names.Append(*row.name) : names.AppendNull()).ok());
    ASSERT_TRUE((row.number ? numbers.Append(*row.number) : numbers.AppendNull()).ok());
    rows.push_back(row);
  }
  const SortKeys keys = *SortKeys::Encode({*names.Finish(), *numbers.Finish()});
  for (int64_t i = 0; i < kRows; ++i) {
    EXPECT_EQ(keys.valid(i), rows[i].name.has_value() && rows[i].number.has_value());
    for (int64_t j = 0; j < kRows; ++j) {
      const auto order = rows[i] <=> rows[j];
      ASSERT_EQ(Sign(keys.Compare(i, keys, j)), order < 0 ? -1 : order > 0);
    }
  }
}

TEST_F(SortKeyTest, RefusesWhatCannotBeAKey) {
  const auto lists = *arrow::MakeArrayOfNull(arrow::list(arrow::int64()), 2);
  EXPECT_TRUE(SortKeys::Encode({lists}).status().IsTypeError());
  const auto shorter = *arrow::MakeArrayOfNull(arrow::int64(), 1);
  const auto longer = *arrow::MakeArrayOfNull(arrow::int64(), 2);
  EXPECT_TRUE(SortKeys::Encode({shorter, longer}).status().IsInvalid());
  EXPECT_TRUE(SortKeys::Encode(std::vector<std::shared_ptr<arrow::Array>>{}).status().IsInvalid());
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::int64())}), 1,
                                              arrow::ArrayVector{shorter});
  EXPECT_TRUE(SortKeys::Encode(*batch, {1}).status().IsInvalid());
  EXPECT_EQ(SortKeys::Encode(*batch, {0})->size(), 1);
}

TEST_F(SortKeyTest, EmptyColumnsMakeNoKeys) {
  for (const auto& type : {arrow::int64(), arrow::utf8(), arrow::large_utf8(), arrow::boolean()}) {
    const auto empty = *arrow::MakeEmptyArray(type);
    EXPECT_EQ(SortKeys::Encode({empty})->size(), 0);
    EXPECT_EQ(SortKeys::Encode({empty, empty})->size(), 0);
  }
}

TEST_F(SortKeyTest, EventTimesOfAnyUnitBecomeMicroseconds) {
  struct Case {
    std::shared_ptr<arrow::DataType> type;
    int64_t value;
    int64_t micros;
  };
  const std::vector<Case> cases = {
      {arrow::timestamp(arrow::TimeUnit::SECOND), -3, -3'000'000},
      {arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"), 5, 5000},
      {arrow::timestamp(arrow::TimeUnit::MICRO, "Asia/Tokyo"), 5, 5},
      {arrow::timestamp(arrow::TimeUnit::NANO), -1, -1},
      {arrow::timestamp(arrow::TimeUnit::NANO), 1999, 1},
      {arrow::timestamp(arrow::TimeUnit::NANO), -2000, -2},
      {arrow::date32(), 2, 172'800'000'000},
      {arrow::date64(), 86'400'000, 86'400'000'000},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type->ToString());
    const auto number = *arrow::MakeScalar(arrow::int64(), c.value);
    const auto values = *arrow::MakeArrayFromScalar(
        *(c.type->id() == arrow::Type::DATE32
              ? *arrow::MakeScalar(arrow::date32(), static_cast<int32_t>(c.value))
              : *number->CastTo(c.type)),
        3);
    const auto nulls = *arrow::MakeArrayOfNull(c.type, 2);
    const auto both = *arrow::Concatenate({nulls, values});
    for (const auto& array : {both, both->Slice(1)}) {
      EXPECT_TRUE(IsEventTimeType(*array->type()));
      const auto micros = *EventTimeMicros(*array);
      ASSERT_EQ(micros->length(), array->length());
      ASSERT_TRUE(micros->ValidateFull().ok());
      for (int64_t i = 0; i < micros->length(); ++i) {
        EXPECT_EQ(micros->IsNull(i), array->IsNull(i));
        if (micros->IsValid(i)) {
          EXPECT_EQ(micros->Value(i), c.micros);
        }
      }
    }
  }
  EXPECT_TRUE(EventTimeMicros(**arrow::MakeArrayOfNull(arrow::utf8(), 1)).status().IsTypeError());
  const auto far =
      *arrow::MakeArrayFromScalar(arrow::TimestampScalar(std::numeric_limits<int64_t>::max() / 2,
                                                         arrow::timestamp(arrow::TimeUnit::SECOND)),
                                  1);
  EXPECT_TRUE(EventTimeMicros(*far).status().IsInvalid());
}

}  // namespace
}  // namespace tercet
