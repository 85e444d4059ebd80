#include <cmath>
#include <numbers>
#include <random>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/arena.h"
#include "base/parallel.h"
#include "base/time_text.h"
#include "compute/cell_check.h"
#include "compute/normal_distribution.h"
#include "compute/transformation.h"

/// What every kind keeps: bits that don't depend on the batch, parameters that survive JSON, and
/// an inverse where it has one.
namespace tercet {
namespace {

struct Definition {
  std::string kind;
  std::vector<std::string> columns;
  json::object options;
  bool has_inverse;
};

/// Each kind at least once; x is any number, p a positive one, s a text, n an integer, t a time.
const std::vector<Definition>& Definitions() {
  static const std::vector<Definition> definitions = {
      {"min_max_scaler", {"x"}, {}, true},
      {"max_abs_scaler", {"x"}, {}, true},
      {"standard_scaler", {"x", "n"}, {}, true},
      {"robust_scaler", {"x"}, {}, true},
      {"log1p", {"p"}, {}, true},
      {"quantile_transformer", {"x"}, {{"n_quantiles", 3000}}, true},
      {"quantile_transformer", {"x"}, {{"n_quantiles", 3000}, {"output", "normal"}}, true},
      {"rank", {"x"}, {}, true},
      {"power_transformer", {"x"}, {}, true},
      {"power_transformer", {"p"}, {{"method", "box_cox"}}, true},
      {"winsorizer", {"x"}, {}, false},
      {"clip", {"x"}, {{"min", 0}}, false},
      {"binarizer", {"x"}, {}, false},
      {"equal_width_bins", {"x"}, {{"bins", 7}}, false},
      {"equal_frequency_bins", {"x"}, {{"bins", 7}}, false},
      {"bins", {"x"}, {{"edges", json::array{0, 10.5}}}, false},
      {"one_hot_encoder", {"s"}, {}, true},
      {"label_encoder", {"s", "n", "b"}, {}, true},
      {"ordinal_encoder", {"s"}, {{"categories", json::array{"c0", "c1", "c2", "c3", "c4"}}}, true},
      {"top_k", {"s"}, {{"k", 2}}, false},
      {"frequency_encoder", {"s"}, {}, false},
      {"target_encoder", {"s", "n"}, {}, false},
      {"hash_bucket", {"s", "n", "b"}, {{"buckets", 100}}, false},
      {"hashing_encoder", {"s"}, {{"n_features", 4}}, false},
      {"date_parts", {"t"}, {}, false},
      {"cyclical", {"t"}, {{"period", json::array{"day", "week", "year"}}}, false},
      {"cyclical", {"n"}, {{"period", 24}}, true},
      {"text_length", {"s"}, {}, false},
      {"hashed_ngrams", {"s"}, {{"analyzer", "char"}, {"max_n", 3}}, false},
      {"impute", {"x"}, {{"indicator", true}}, true},
      {"missing_indicator", {"x", "s", "t"}, {}, true},
  };
  return definitions;
}

class TransformationKinds : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeArrow(); }

  static std::shared_ptr<arrow::RecordBatch> Rows(int64_t rows, uint64_t seed) {
    std::mt19937_64 random(seed);
    arrow::DoubleBuilder x, p;
    arrow::Int64Builder n;
    arrow::StringBuilder s;
    arrow::BooleanBuilder b;
    arrow::TimestampBuilder t(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                              arrow::default_memory_pool());
    const auto append = [&](auto& builder, auto value) {
      EXPECT_TRUE((random() % 12 == 0 ? builder.AppendNull() : builder.Append(value)).ok());
    };
    for (int64_t i = 0; i < rows; ++i) {
      append(x, static_cast<double>(random() % 100'000) / 1000 - 40);
      append(p, static_cast<double>(random() % 100'000 + 1) / 1000);
      append(n, static_cast<int64_t>(random() % 24));
      append(s, "c" + std::to_string(random() % 5));
      append(b, random() % 2 == 0);
      append(t, static_cast<int64_t>(random() % 4'000'000'000'000'000) - 1'000'000'000'000'000);
    }
    const arrow::ArrayVector columns = {*x.Finish(), *p.Finish(), *n.Finish(),
                                        *s.Finish(), *b.Finish(), *t.Finish()};
    arrow::FieldVector fields;
    for (size_t k = 0; k < columns.size(); ++k) {
      fields.push_back(arrow::field(std::string(1, "xpnsbt"[k]), columns[k]->type()));
    }
    return arrow::RecordBatch::Make(arrow::schema(fields), rows, columns);
  }

  static std::shared_ptr<arrow::Table> Labels(int64_t rows) {
    arrow::DoubleBuilder y;
    for (int64_t i = 0; i < rows; ++i) {
      EXPECT_TRUE((i % 10 == 3 ? y.AppendNull() : y.Append(std::sin(static_cast<double>(i)))).ok());
    }
    const std::shared_ptr<arrow::Array> array = *y.Finish();
    return arrow::Table::Make(arrow::schema({arrow::field("y", array->type())}), {array});
  }

  static FittedTransformation Fit(const Definition& definition,
                                  const std::shared_ptr<arrow::RecordBatch>& train) {
    const auto labels = Labels(train->num_rows());
    auto fitted = FitTransformation(definition.kind, definition.columns, definition.options,
                                    **arrow::Table::FromRecordBatches({train}), labels.get());
    EXPECT_TRUE(fitted.ok()) << fitted.status();
    return *fitted;
  }
};

TEST_F(TransformationKinds, AllAreTested) {
  std::vector<std::string> untested = TransformationNames();
  for (const Definition& definition : Definitions()) std::erase(untested, definition.kind);
  EXPECT_EQ(untested, std::vector<std::string>());
  EXPECT_GE(TransformationNames().size(), 24u);
}

TEST_F(TransformationKinds, OneRowGivesTheBitsOfMany) {
  const auto train = Rows(2000, 1);
  for (const Definition& definition : Definitions()) {
    SCOPED_TRACE(definition.kind);
    const auto plan = *TransformationPlan::Make({Fit(definition, train)}, train->schema());
    const auto whole = *plan->Apply(train);
    ASSERT_TRUE(whole->ValidateFull().ok());
    for (int64_t i = 0; i < 1100; i += 13) {
      const auto one = *plan->Apply(train->Slice(i, 1));
      ASSERT_TRUE(one->Equals(*whole->Slice(i, 1), false, arrow::EqualOptions().nans_equal(true)))
          << "row " << i;
    }
  }
}

TEST_F(TransformationKinds, CellsGiveTheBitsOfBatches) {
  Arena memory;
  for (const Definition& definition : Definitions()) {
    SCOPED_TRACE(definition.kind);
    const auto rows = Rows(200, 11);
    const auto plan = *TransformationPlan::Make({Fit(definition, rows)}, rows->schema());
    const auto whole = *plan->Apply(rows);
    ASSERT_TRUE(plan->takes_cells());
    std::vector<Cell> answers(static_cast<size_t>(whole->num_columns()));
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      memory.Reset();
      ASSERT_TRUE(plan->ApplyRow(RowOfCells(*rows, i), &memory, answers).ok());
      for (int c = 0; c < whole->num_columns(); ++c) {
        ExpectSameCell(*whole->column(c), i, answers[static_cast<size_t>(c)]);
      }
    }
  }
}

TEST_F(TransformationKinds, TheSchemaIsKnownBeforeFittingOrLeftOut) {
  const auto train = Rows(300, 2);
  const auto labels = Labels(300);
  for (const Definition& definition : Definitions()) {
    SCOPED_TRACE(definition.kind);
    const auto checked = CheckTransformation(definition.kind, definition.columns,
                                             definition.options, train->schema(),
                                             *labels->schema());
    ASSERT_TRUE(checked.ok()) << checked.status();
    if (definition.kind == "one_hot_encoder") {
      EXPECT_EQ((*checked)->num_fields(), train->num_columns() - 1);
      continue;
    }
    const auto plan = *TransformationPlan::Make({Fit(definition, train)}, train->schema());
    EXPECT_TRUE((*checked)->Equals(plan->output_schema(), false))
        << (*checked)->ToString() << "\n" << plan->output_schema()->ToString();
  }
}

TEST_F(TransformationKinds, JsonKeepsEveryBit) {
  const auto train = Rows(500, 3);
  for (const Definition& definition : Definitions()) {
    const auto fitted = Fit(definition, train);
    const auto read = *FittedTransformation::FromJson(*ParseJsonObject(ToText(fitted.ToJson())));
    EXPECT_EQ(ToText(read.ToJson()), ToText(fitted.ToJson()));
    EXPECT_EQ(read.parameters, fitted.parameters) << definition.kind;
  }
}

TEST_F(TransformationKinds, AnInverseGivesTheValueBack) {
  const auto train = Rows(2000, 4);
  for (const Definition& definition : Definitions()) {
    SCOPED_TRACE(definition.kind);
    const auto fitted = Fit(definition, train);
    const auto plan = *TransformationPlan::Make({fitted}, train->schema());
    const auto undo = TransformationPlan::MakeInverse({fitted}, plan->output_schema());
    if (!definition.has_inverse) {
      // Bins give the middle of a bin; what loses the value says so.
      if (definition.kind.find("_bins") == std::string::npos) {
        EXPECT_TRUE(undo.status().IsInvalid()) << undo.status();
      } else {
        EXPECT_TRUE(undo.ok()) << undo.status();
      }
      continue;
    }
    ASSERT_TRUE(undo.ok()) << undo.status();
    const auto back = *(*undo)->Apply(*plan->Apply(train));
    for (const std::string& column : definition.columns) {
      const auto before = train->GetColumnByName(column);
      const auto after = back->GetColumnByName(column);
      ASSERT_NE(after, nullptr) << column;
      for (int64_t i = 0; i < before->length(); ++i) {
        ASSERT_EQ(before->IsNull(i), after->IsNull(i)) << column << " row " << i;
        if (before->IsNull(i)) continue;
        const auto scalar = *before->GetScalar(i);
        if (after->type_id() == arrow::Type::DOUBLE) {
          const double expected =
              before->type_id() == arrow::Type::DOUBLE
                  ? static_cast<const arrow::DoubleArray&>(*before).Value(i)
                  : static_cast<double>(static_cast<const arrow::Int64Array&>(*before).Value(i));
          const double got = static_cast<const arrow::DoubleArray&>(*after).Value(i);
          // An hour near its period's end may come back as one before its beginning.
          const double off = std::fabs(got - expected);
          EXPECT_LT(definition.kind == "cyclical" ? std::min(off, 24 - off) : off,
                    definition.kind == "quantile_transformer" ? 0.05 : 1e-6)
              << column << " row " << i << " of " << expected << " became " << got;
        } else {
          ASSERT_TRUE((*after->GetScalar(i))->Equals(*scalar)) << column << " row " << i;
        }
      }
    }
  }
}

TEST_F(TransformationKinds, AChainIsUndoneFromItsEnd) {
  const auto train = Rows(500, 5);
  const Definition impute{"impute", {"x"}, {{"indicator", true}}, true};
  const auto first = Fit(impute, train);
  const auto step = *(*TransformationPlan::Make({first}, train->schema()))->Apply(train);
  const auto second = Fit({"standard_scaler", {"x"}, {}, true}, step);
  const auto plan = *TransformationPlan::Make({first, second}, train->schema());
  const auto undo = *TransformationPlan::MakeInverse({first, second}, plan->output_schema());
  const auto back = *undo->Apply(*plan->Apply(train));
  EXPECT_EQ(back->schema()->field_names(), train->schema()->field_names());
  EXPECT_TRUE(back->GetColumnByName("x")->ApproxEquals(*train->GetColumnByName("x"),
                                                       arrow::EqualOptions().atol(1e-9)));
}

TEST_F(TransformationKinds, TimesAreThoseOfTheCalendar) {
  arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
  // A leap day, a Thursday, at six in the evening.
  ASSERT_TRUE(builder.Append(*ParseTime("2024-02-29T18:00:00Z")).ok());
  ASSERT_TRUE(builder.AppendNull().ok());
  const std::shared_ptr<arrow::Array> array = *builder.Finish();
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("t", array->type())}), 2, {array});
  const auto apply = [&](const Definition& definition) {
    return *(*TransformationPlan::Make({Fit(definition, batch)}, batch->schema()))->Apply(batch);
  };
  const auto parts = apply({"date_parts", {"t"}, {{"parts", json::array{
      "year", "quarter", "month", "week", "day", "hour", "minute", "second", "day_of_week",
      "day_of_year"}}}, false});
  const std::vector<int64_t> expected = {2024, 1, 2, 9, 29, 18, 0, 0, 3, 60};
  ASSERT_EQ(parts->num_columns(), static_cast<int>(expected.size()));
  for (size_t k = 0; k < expected.size(); ++k) {
    const auto column = parts->column(static_cast<int>(k));
    EXPECT_EQ(static_cast<const arrow::Int64Array&>(*column).Value(0), expected[k]);
    EXPECT_TRUE(column->IsNull(1));
  }
  EXPECT_EQ(parts->column_name(8), "t_day_of_week");
  const auto cycle = apply({"cyclical", {"t"}, {{"period", json::array{
      "hour", "day", "week", "month", "year"}}}, false});
  const std::vector<double> shares = {0, 0.75, 3.75 / 7, 28.75 / 29, 59.75 / 366};
  for (size_t k = 0; k < shares.size(); ++k) {
    const auto at = [&](size_t column) {
      return static_cast<const arrow::DoubleArray&>(*cycle->column(static_cast<int>(column)))
          .Value(0);
    };
    EXPECT_NEAR(at(2 * k), std::sin(2 * std::numbers::pi * shares[k]), 1e-12);
    EXPECT_NEAR(at(2 * k + 1), std::cos(2 * std::numbers::pi * shares[k]), 1e-12);
  }
  EXPECT_EQ(cycle->column_name(2), "t_day_sin");
}

TEST_F(TransformationKinds, BadOptionsAreRefused) {
  const auto schema = Rows(1, 6)->schema();
  const auto labels = Labels(1);
  const auto message = [&](const std::string& kind, const std::string& column,
                           const json::object& options) {
    return CheckTransformation(kind, {column}, options, schema, *labels->schema())
        .status()
        .message();
  };
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(message("quantile_transformer", "x", {{"n_quantiles", 1}}), "from 2 to");
  has(message("quantile_transformer", "x", {{"output", "norm"}}), "did you mean 'normal'");
  has(message("power_transformer", "x", {{"method", "boxcox"}}), "did you mean 'box_cox'");
  has(message("power_transformer", "s", {}), "takes numbers or bools, not string");
  has(message("winsorizer", "x", {{"lower", 0.5}, {"upper", 0.5}}), "lower < upper");
  has(message("clip", "x", {}), "needs a 'min' or a 'max'");
  has(message("clip", "x", {{"min", 2}, {"max", 1}}), "at most its 'max'");
  has(message("equal_width_bins", "x", {{"bins", 1}}), "from 2 to");
  has(message("bins", "x", {}), "needs its 'edges'");
  has(message("bins", "x", {{"edges", json::array{1, 1}}}), "ascending order");
  has(message("ordinal_encoder", "s", {}), "needs its 'categories'");
  has(message("ordinal_encoder", "s", {{"categories", json::array{1}}}), "that are string");
  has(message("ordinal_encoder", "s", {{"categories", json::array{"a", "a"}}}), "twice");
  has(message("top_k", "s", {{"other", 1}}), "can't put 'other' = 1");
  has(message("top_k", "b", {}), "two values only");
  has(message("hashing_encoder", "x", {}), "not double");
  has(message("date_parts", "x", {}), "takes timestamps and dates");
  has(message("date_parts", "t", {{"parts", json::array{"yaer"}}}), "did you mean 'year'");
  has(message("cyclical", "n", {}), "needs a 'period'");
  has(message("cyclical", "t", {{"period", "dya"}}), "did you mean 'day'");
  has(message("cyclical", "t", {{"period", 24}}), "period");
  has(message("text_length", "n", {}), "takes strings");
  has(message("hashed_ngrams", "s", {{"min_n", 3}, {"max_n", 2}}), "at least its 'min_n'");
  has(message("target_encoder", "s", {{"smooth", -1}}), "number ≥ 0");
  has(message("target_encoder", "s", {{"target", "yy"}}), "no label 'yy'");
  EXPECT_TRUE(CheckTransformation("target_encoder", {"s"}, {}, schema, *arrow::schema({}))
                  .status()
                  .IsInvalid());
  const auto negative = Definition{"power_transformer", {"x"}, {{"method", "box_cox"}}, false};
  const auto fitted = FitTransformation(negative.kind, negative.columns, negative.options,
                                        **arrow::Table::FromRecordBatches({Rows(100, 7)}));
  has(fitted.status().message(), "positive numbers only");
}

TEST_F(TransformationKinds, PowerOfWhatLooksConstantStaysNearZero) {
  const auto schema = arrow::schema({arrow::field("x", arrow::float64())});
  for (const std::vector<double>& numbers : {std::vector<double>{1e8, 1e8 + 2e-8, 1e8, 1e8 + 1e-8},
                                             std::vector<double>{5e-324, 0, 5e-324, 0}}) {
    arrow::DoubleBuilder builder;
    ASSERT_TRUE(builder.AppendValues(numbers).ok());
    const auto fitted = Fit({"power_transformer", {"x"}, {}, true},
                            arrow::RecordBatch::Make(schema, 4, {*builder.Finish()}));
    const json::object& parameters = fitted.parameters.at("x").as_object();
    EXPECT_EQ(parameters.at("lambda"), 1.0);
    EXPECT_EQ(parameters.at("std"), 0.0);
  }
}

TEST_F(TransformationKinds, NormalQuantileIsTheInverseOfItsProbability) {
  for (double p : {1e-300, 1e-20, 1e-7, 0.001, 0.075, 0.3, 0.5, 0.9, 0.999, 1 - 1e-12}) {
    EXPECT_NEAR(NormalProbability(NormalQuantile(p)) / p, 1, 1e-11) << p;
  }
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-15);
  EXPECT_TRUE(std::isnan(NormalQuantile(1.5)));
}

}  // namespace
}  // namespace tercet
