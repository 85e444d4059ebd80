#include "compute/transformation.h"

#include <cmath>
#include <fstream>
#include <random>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <gtest/gtest.h>

#include "base/parallel.h"

namespace tercet {
namespace {

class TransformationTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeArrow(); }
};

std::shared_ptr<arrow::DataType> TypeOf(std::string_view name) {
  if (name == "double") return arrow::float64();
  if (name == "int64") return arrow::int64();
  if (name == "bool") return arrow::boolean();
  return arrow::utf8();
}

/// Null is a null, "nan" a NaN.
std::shared_ptr<arrow::Array> Column(const std::shared_ptr<arrow::DataType>& type,
                                     const json::array& values) {
  auto builder = *arrow::MakeBuilder(type);
  for (const json::value& value : values) {
    Status status;
    if (value.is_null()) {
      status = builder->AppendNull();
    } else if (type->id() == arrow::Type::DOUBLE) {
      status = static_cast<arrow::DoubleBuilder&>(*builder).Append(
          value.is_string() ? std::nan("") : value.to_number<double>());
    } else if (type->id() == arrow::Type::INT64) {
      status = static_cast<arrow::Int64Builder&>(*builder).Append(value.to_number<int64_t>());
    } else if (type->id() == arrow::Type::BOOL) {
      status = static_cast<arrow::BooleanBuilder&>(*builder).Append(value.as_bool());
    } else {
      status =
          static_cast<arrow::StringBuilder&>(*builder).Append(std::string_view(value.as_string()));
    }
    EXPECT_TRUE(status.ok()) << status;
  }
  return *builder->Finish();
}

std::shared_ptr<arrow::RecordBatch> Batch(const std::string& name,
                                          const std::shared_ptr<arrow::Array>& column) {
  return arrow::RecordBatch::Make(arrow::schema({arrow::field(name, column->type())}),
                                  column->length(), arrow::ArrayVector{column});
}

std::shared_ptr<arrow::Table> TableOf(const std::shared_ptr<arrow::RecordBatch>& batch) {
  return *arrow::Table::FromRecordBatches({batch});
}

void ExpectNear(const arrow::Array& got, const arrow::Array& expected,
                double tolerance = 1e-12) {
  ASSERT_TRUE(got.type()->Equals(expected.type())) << got.type()->ToString();
  ASSERT_EQ(got.length(), expected.length());
  for (int64_t i = 0; i < got.length(); ++i) {
    ASSERT_EQ(got.IsNull(i), expected.IsNull(i)) << "row " << i;
    if (got.IsNull(i)) continue;
    if (got.type_id() != arrow::Type::DOUBLE) {
      EXPECT_TRUE(got.RangeEquals(i, i + 1, i, expected)) << "row " << i;
      continue;
    }
    const double a = static_cast<const arrow::DoubleArray&>(got).Value(i);
    const double b = static_cast<const arrow::DoubleArray&>(expected).Value(i);
    if (std::isnan(a) && std::isnan(b)) continue;
    EXPECT_NEAR(a, b, tolerance * std::max(1.0, std::fabs(b))) << "row " << i;
  }
}

TEST_F(TransformationTest, AnswersAreScikitLearns) {
  std::ifstream file("src/compute/testdata/transformation_cases.jsonl");
  ASSERT_TRUE(file) << "the tests run in the repository's folder";
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    SCOPED_TRACE(line.substr(0, 200));
    const json::object one = *ParseJsonObject(line);
    const std::string kind(one.at("kind").as_string());
    const auto type = TypeOf(one.at("type").as_string());
    const auto train = Batch("x", Column(type, one.at("train").as_array()));
    const auto rows = Batch("x", Column(type, one.at("rows").as_array()));
    const auto fitted =
        FitTransformation(kind, {"x"}, one.at("options").as_object(), *TableOf(train));
    ASSERT_TRUE(fitted.ok()) << fitted.status();
    const auto plan = *TransformationPlan::Make({*fitted}, rows->schema());
    const auto got = *plan->Apply(rows);
    ASSERT_TRUE(got->ValidateFull().ok());
    ASSERT_TRUE(got->schema()->Equals(plan->output_schema()));
    const json::array& columns = one.at("columns").as_array();
    ASSERT_EQ(got->num_columns(), static_cast<int>(columns.size()));
    for (int k = 0; k < got->num_columns(); ++k) {
      const json::array& column = columns[static_cast<size_t>(k)].as_array();
      EXPECT_EQ(got->column_name(k), std::string_view(column[0].as_string()));
      ExpectNear(*got->column(k), *Column(got->column(k)->type(), column[1].as_array()),
                 one.at("tolerance").to_number<double>());
    }
  }
  EXPECT_GT(cases, 240);
}

/// Columns of all that transformations take.
std::shared_ptr<arrow::RecordBatch> RandomRows(int64_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(10, 4);
  arrow::DoubleBuilder x, y;
  arrow::Int32Builder n;
  arrow::StringBuilder s;
  arrow::BooleanBuilder b;
  const auto append = [&](auto& builder, auto value) {
    EXPECT_TRUE((random() % 12 == 0 ? builder.AppendNull() : builder.Append(value)).ok());
  };
  for (int64_t i = 0; i < rows; ++i) {
    append(x, normal(random));
    append(y, random() % 20 == 0 ? std::nan("") : std::fabs(normal(random)));
    append(n, static_cast<int32_t>(random() % 50));
    append(s, std::string("c") + static_cast<char>('A' + random() % 12));
    append(b, random() % 2 == 0);
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("x", arrow::float64()), arrow::field("id", arrow::int32()),
                     arrow::field("s", arrow::utf8()), arrow::field("y", arrow::float64()),
                     arrow::field("b", arrow::boolean()), arrow::field("n", arrow::int32())}),
      rows,
      arrow::ArrayVector{*x.Finish(), *arrow::MakeArrayFromScalar(arrow::Int32Scalar(5), rows),
                         *s.Finish(), *y.Finish(), *b.Finish(), *n.Finish()});
}

struct Definition {
  std::string kind;
  std::vector<std::string> columns;
  json::object options;
};

std::vector<FittedTransformation> FitAll(const std::vector<Definition>& definitions,
                                         const std::shared_ptr<arrow::RecordBatch>& train) {
  std::vector<FittedTransformation> fitted;
  std::shared_ptr<arrow::RecordBatch> now = train;
  for (const Definition& definition : definitions) {
    const auto one =
        FitTransformation(definition.kind, definition.columns, definition.options, *TableOf(now));
    EXPECT_TRUE(one.ok()) << one.status();
    now = *(*TransformationPlan::Make({*one}, now->schema()))->Apply(now);
    fitted.push_back(*one);
  }
  // One after the other, or all in one plan: the same.
  const auto plan = *TransformationPlan::Make(fitted, train->schema());
  EXPECT_TRUE((*plan->Apply(train))->Equals(*now, arrow::EqualOptions().nans_equal(true)));
  return fitted;
}

const std::vector<Definition>& Chain() {
  static const std::vector<Definition> chain = {
      {"impute", {"x", "n"}, {{"strategy", "median"}}},
      {"impute", {"s"}, {{"strategy", "constant"}, {"fill_value", "none"}}},
      {"standard_scaler", {"x"}, {}},
      {"min_max_scaler", {"n", "b"}, {}},
      {"log1p", {"y"}, {}},
      {"robust_scaler", {"y"}, {}},
      {"one_hot_encoder", {"s"}, {}}};
  return chain;
}

TEST_F(TransformationTest, AChainKeepsOthersInPlaceAndReplacesAnEncodedColumn) {
  const auto train = RandomRows(500, 1);
  const auto plan = *TransformationPlan::Make(FitAll(Chain(), train), train->schema());
  const auto names = plan->output_schema()->field_names();
  ASSERT_EQ(names.size(), 5u + 13u);
  EXPECT_EQ(names[0], "x");
  EXPECT_EQ(names[1], "id");
  EXPECT_EQ(names[2], "s_cA");
  EXPECT_EQ(names[14], "s_none");
  EXPECT_EQ(names[15], "y");
  const auto rows = RandomRows(40, 2);
  const auto got = *plan->Apply(rows);
  EXPECT_TRUE(got->column(1)->Equals(rows->column(1)));
  EXPECT_EQ(got->column(0)->null_count(), 0);
  EXPECT_EQ(got->column(15)->null_count(), rows->column(3)->null_count());
}

TEST_F(TransformationTest, AnyBatchSizeGivesTheSameBits) {
  const auto train = RandomRows(2000, 3);
  const auto plan = *TransformationPlan::Make(FitAll(Chain(), train), train->schema());
  const auto whole = *plan->Apply(train);
  for (int64_t i = 0; i < train->num_rows(); ++i) {
    const auto one = *plan->Apply(train->Slice(i, 1));
    ASSERT_TRUE(one->Equals(*whole->Slice(i, 1), false, arrow::EqualOptions().nans_equal(true)))
        << "row " << i;
  }
  EXPECT_EQ((*plan->Apply(train->Slice(0, 0)))->num_rows(), 0);
}

TEST_F(TransformationTest, JsonKeepsEveryBitOfTheParameters) {
  const auto train = RandomRows(777, 5);
  for (const FittedTransformation& fitted : FitAll(Chain(), train)) {
    const std::string text = ToText(fitted.ToJson());
    const auto read = *FittedTransformation::FromJson(*ParseJsonObject(text));
    EXPECT_EQ(read.parameters, fitted.parameters) << text;
    EXPECT_EQ(ToText(read.ToJson()), text);
  }
}

TEST_F(TransformationTest, FittingDoesNotDependOnChunks) {
  const auto train = RandomRows(3000, 6);
  const auto chunked = *arrow::Table::FromRecordBatches(
      {train->Slice(0, 1), train->Slice(1, 0), train->Slice(1, 1500), train->Slice(1501)});
  for (const Definition& definition : Chain()) {
    const auto a = *FitTransformation(definition.kind, definition.columns, definition.options,
                                      *TableOf(train));
    const auto b =
        *FitTransformation(definition.kind, definition.columns, definition.options, *chunked);
    EXPECT_EQ(ToText(a.ToJson()), ToText(b.ToJson()));
  }
}

TEST_F(TransformationTest, ImputeKeepsIntegersAndStringsAndPromotesForAMean) {
  const auto train = Batch("x", Column(arrow::int64(), {1, 2, nullptr, 2}));
  const auto apply = [&](const json::object& options) {
    const auto fitted = *FitTransformation("impute", {"x"}, options, *TableOf(train));
    return (*(*TransformationPlan::Make({fitted}, train->schema()))->Apply(train))->column(0);
  };
  EXPECT_TRUE(apply({{"strategy", "constant"}, {"fill_value", 7}})
                  ->Equals(Column(arrow::int64(), {1, 2, 7, 2})));
  EXPECT_TRUE(apply({{"strategy", "constant"}, {"fill_value", 0.5}})
                  ->Equals(Column(arrow::float64(), {1, 2, 0.5, 2})));
  EXPECT_TRUE(apply({{"strategy", "most_frequent"}})->Equals(Column(arrow::int64(), {1, 2, 2, 2})));
  EXPECT_TRUE(apply({})->Equals(Column(arrow::float64(), {1, 2, 5.0 / 3, 2})));
}

TEST_F(TransformationTest, BadDefinitionsAreRefused) {
  const auto train = RandomRows(10, 7);
  const auto message = [&](const std::string& kind, const std::vector<std::string>& columns,
                           const json::object& options) {
    return CheckTransformation(kind, columns, options, train->schema(), *arrow::schema({}))
        .status()
        .ToString();
  };
  EXPECT_EQ(message("standard_scaler", {"x", "n", "b"}, {}), "OK");
  EXPECT_EQ(message("standard_scalar", {"x"}, {}),
            "Key error: there is no transformation 'standard_scalar' (did you mean "
            "'standard_scaler'?)");
  EXPECT_NE(message("log1p", {"xx"}, {}).find("has no column 'xx'"), std::string::npos);
  EXPECT_NE(message("log1p", {}, {}).find("at least one column"), std::string::npos);
  EXPECT_NE(message("log1p", {"x", "x"}, {}).find("twice"), std::string::npos);
  EXPECT_EQ(message("log1p", {"s"}, {}),
            "Type error: column 's' of log1p takes numbers or bools, not string");
  EXPECT_NE(message("log1p", {"x"}, {{"base", 2}}).find("no option 'base'"), std::string::npos);
  EXPECT_NE(message("one_hot_encoder", {"x"}, {}).find("round it"), std::string::npos);
  EXPECT_NE(message("impute", {"s"}, {}).find("most_frequent"), std::string::npos);
  EXPECT_NE(message("impute", {"x"}, {{"strategy", "meen"}}).find("'mean'"), std::string::npos);
  EXPECT_NE(message("impute", {"x"}, {{"strategy", 3}}).find("strategy"), std::string::npos);
  EXPECT_NE(message("impute", {"x"}, {{"strategy", "constant"}}).find("needs a 'fill_value'"),
            std::string::npos);
  EXPECT_NE(message("impute", {"x"}, {{"fill_value", 1}}).find("only with"), std::string::npos);
  EXPECT_NE(message("impute", {"s"}, {{"strategy", "constant"}, {"fill_value", 1}})
                .find("can't put the fill_value 1"),
            std::string::npos);
}

TEST_F(TransformationTest, WhatCanNotBeFittedIsRefused) {
  const auto nulls = Batch("x", Column(arrow::float64(), {nullptr, "nan"}));
  for (const char* kind : {"standard_scaler", "min_max_scaler", "robust_scaler", "impute"}) {
    const auto fitted = FitTransformation(kind, {"x"}, {}, *TableOf(nulls));
    EXPECT_NE(fitted.status().message().find("no value to fit on"), std::string::npos) << kind;
  }
  const auto infinite = Batch("x", *arrow::MakeArrayFromScalar(arrow::DoubleScalar(HUGE_VAL), 2));
  EXPECT_TRUE(
      FitTransformation("standard_scaler", {"x"}, {}, *TableOf(infinite)).status().IsInvalid());
  EXPECT_TRUE(FitTransformation("impute", {"x"}, {}, *TableOf(infinite)).status().IsInvalid());
}

TEST_F(TransformationTest, AParameterFromElsewhereIsRefused) {
  const auto schema = arrow::schema({arrow::field("x", arrow::float64())});
  const auto make = [&](const std::string& text) {
    return TransformationPlan::Make({*FittedTransformation::FromJson(*ParseJsonObject(text))},
                                    schema)
        .status();
  };
  EXPECT_TRUE(
      make(R"({"kind":"standard_scaler","columns":["y"],"parameters":{"y":{}}})").IsKeyError());
  EXPECT_TRUE(make(R"({"kind":"standard_scaler","columns":["x"]})").IsInvalid());
  EXPECT_TRUE(make(R"({"kind":"standard_scaler","columns":["x"],"parameters":{"x":{"mean":"a"}}})")
                  .IsInvalid());
  EXPECT_TRUE(make(R"({"kind":"no","columns":["x"],"parameters":{"x":{}}})").IsKeyError());
  EXPECT_TRUE(
      make(R"({"kind":"impute","columns":["x"],"parameters":{"x":{"fill":[]}}})").IsInvalid());
  EXPECT_TRUE(make(R"({"kind":"label_encoder","columns":["x"],
                       "parameters":{"x":{"categories":["a"]}}})")
                  .IsTypeError());
  const auto ints = arrow::schema({arrow::field("x", arrow::int64())});
  const auto strings = *FittedTransformation::FromJson(*ParseJsonObject(
      R"({"kind":"label_encoder","columns":["x"],"parameters":{"x":{"categories":["a"]}}})"));
  EXPECT_TRUE(TransformationPlan::Make({strings}, ints).status().IsTypeError());
}

TEST_F(TransformationTest, ColumnsOfOneNameAreRefused) {
  const auto batch = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("a_b", arrow::int64())}), 1,
      arrow::ArrayVector{Column(arrow::utf8(), {"b"}), Column(arrow::int64(), {1})});
  const auto fitted = *FitTransformation("one_hot_encoder", {"a"}, {}, *TableOf(batch));
  EXPECT_TRUE(TransformationPlan::Make({fitted}, batch->schema()).status().IsInvalid());
}

TEST_F(TransformationTest, ManyCategoriesAreForLabelsOnly) {
  arrow::Int64Builder builder;
  for (int64_t k = 0; k < 20'000; ++k) ASSERT_TRUE(builder.Append(k).ok());
  const auto table = TableOf(Batch("x", *builder.Finish()));
  EXPECT_TRUE(FitTransformation("one_hot_encoder", {"x"}, {}, *table).status().IsInvalid());
  EXPECT_TRUE(FitTransformation("label_encoder", {"x"}, {}, *table).ok());
}

TEST_F(TransformationTest, ABatchOfOtherColumnsIsRefused) {
  const auto train = RandomRows(50, 8);
  const auto plan = *TransformationPlan::Make(FitAll(Chain(), train), train->schema());
  const auto other = Batch("x", Column(arrow::float64(), {1}));
  EXPECT_TRUE(plan->Apply(other).status().IsInvalid());
}

}  // namespace
}  // namespace tercet
