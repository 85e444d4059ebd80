#include "view/view_functions.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "view/view_plan.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Whatever is asked, it answers with the first input.
class FirstInput : public PythonFunctions {
 public:
  Result<std::shared_ptr<PythonCallable>> Get(const PythonFunction&) override {
    struct Callable : PythonCallable {
      Status Prepare() override { return Status::OK(); }
      Status Reserve(const WorkerLimits&) override { return Status::OK(); }
      Result<std::shared_ptr<arrow::Array>> Call(const arrow::RecordBatch& rows) override {
        return rows.column(0);
      }
    };
    return std::make_shared<Callable>();
  }
};

PythonFunction Function(const std::string& name, const std::string& first,
                        const std::string& output) {
  return {.name = name,
          .source = "def " + name + "(a, b): return a",
          .inputs = {{"a", first}, {"b", "string"}},
          .output = output};
}

class ViewFunctionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeArrow(); }

  /// A view on a group with columns of many types.
  Result<std::shared_ptr<const ViewPlan>> Plan(
      std::vector<PythonFunction> functions,
      std::vector<std::pair<std::string, std::string>> on_demand, PythonFunctions* python) {
    FeatureViewDefinition view{.name = "v"};
    view.root.group = {"g", 1};
    view.functions = std::move(functions);
    view.on_demand = std::move(on_demand);
    return ViewPlan::Make(
        view,
        [](const Ref&) -> Result<FeatureGroupDefinition> {
          FeatureGroupDefinition group{.name = "g"};
          group.primary_key = {"id"};
          group.schema = arrow::schema({arrow::field("id", arrow::int64()),
                                        arrow::field("small", arrow::int8()),
                                        arrow::field("large", arrow::uint64()),
                                        arrow::field("real", arrow::float32()),
                                        arrow::field("word", arrow::large_utf8()),
                                        arrow::field("at", arrow::timestamp(arrow::TimeUnit::NANO)),
                                        arrow::field("words", arrow::list(arrow::utf8()))});
          return group;
        },
        python);
  }
  std::string Error(std::vector<PythonFunction> functions,
                    std::vector<std::pair<std::string, std::string>> on_demand) {
    const auto plan = Plan(std::move(functions), std::move(on_demand), &python_);
    EXPECT_FALSE(plan.ok());
    return plan.status().message();
  }

  FirstInput python_;
};

TEST_F(ViewFunctionsTest, ACallOnColumnsIsAFeatureThatOthersAreMadeOf) {
  const auto made = Plan({Function("Wide", "double", "double")},
                         {{"half", "real / 2"},
                          {"wide", "WIDE(half, g.word)"},
                          {"more", "wide + 1"}},
                         &python_);
  ASSERT_TRUE(made.ok()) << made.status();
  const ViewPlan& plan = **made;
  EXPECT_THAT(plan.python_features(), ElementsAre("wide"));
  EXPECT_THAT(plan.OnDemandInputs(1), ElementsAre("half", "word"));
  EXPECT_TRUE(plan.Prepare().ok());
  arrow::ArrayVector columns;
  for (const auto& field : plan.row_schema()->fields()) {
    columns.push_back(field->name() == "real"
                          ? *arrow::json::ArrayFromJSONString(field->type(), "[3, null]")
                          : *arrow::MakeArrayOfNull(field->type(), 2));
  }
  const auto rows = *plan.Evaluate(arrow::RecordBatch::Make(plan.row_schema(), 2, columns));
  const auto doubles = [](const std::string& text) {
    return *arrow::json::ArrayFromJSONString(arrow::float64(), text);
  };
  EXPECT_TRUE(rows->GetColumnByName("wide")->Equals(doubles("[1.5, null]")));
  EXPECT_TRUE(rows->GetColumnByName("more")->Equals(doubles("[2.5, null]")));
}

TEST_F(ViewFunctionsTest, ColumnsWidenToWhatParametersTake) {
  const auto fits = [&](const std::string& column, const std::string& parameter) {
    return Plan({Function("f", parameter, parameter)}, {{"x", "f(" + column + ", word)"}}, &python_)
        .ok();
  };
  EXPECT_TRUE(fits("small", "int64"));
  EXPECT_TRUE(fits("small", "double"));
  EXPECT_TRUE(fits("large", "double"));
  EXPECT_TRUE(fits("real", "double"));
  EXPECT_TRUE(fits("word", "string"));
  EXPECT_TRUE(fits("at", "timestamp[us, tz=UTC]"));
  EXPECT_TRUE(fits("words", "list<item: string>"));
  EXPECT_FALSE(fits("large", "int64"));
  EXPECT_FALSE(fits("id", "int32"));
  EXPECT_FALSE(fits("small", "uint64"));
  EXPECT_FALSE(fits("real", "int64"));
  EXPECT_FALSE(fits("word", "double"));
  EXPECT_FALSE(fits("at", "date32[day]"));
  EXPECT_FALSE(fits("words", "list<item: int64>"));
}

TEST_F(ViewFunctionsTest, WhatCanNotBeCalledIsToldWhenTheViewIsMade) {
  const PythonFunction f = Function("f", "double", "double");
  EXPECT_THAT(Error({f}, {{"x", "f(real, word) + 1"}}),
              HasSubstr("takes columns and stands alone"));
  EXPECT_THAT(Error({f}, {{"x", "f(real, 'word')"}}), HasSubstr("takes columns and stands alone"));
  EXPECT_THAT(Error({f}, {{"x", "f(real)"}}), HasSubstr("takes 2 columns, not 1"));
  EXPECT_THAT(Error({f}, {{"x", "f(real, wrd)"}}), HasSubstr("did you mean 'word'?"));
  EXPECT_THAT(Error({f}, {{"x", "g(real, word)"}}), HasSubstr("there is no function 'g'"));
  EXPECT_THAT(Error({Function("Round", "double", "double")}, {}),
              HasSubstr("'Round' has the name of a function that expressions have"));
  EXPECT_THAT(Error({f, Function("F", "int64", "int64")}, {}),
              HasSubstr("two Python functions 'f' and 'F'"));
  const auto nobody = Plan({f}, {{"x", "f(real, word)"}}, nullptr);
  EXPECT_TRUE(nobody.status().IsNotImplemented()) << nobody.status();
}

TEST_F(ViewFunctionsTest, DefinitionsAreReadAsTheyAreWritten) {
  const PythonFunction f = Function("f", "list<item: double>", "timestamp[us, tz=UTC]");
  EXPECT_EQ(*PythonFunction::FromJson(f.ToJson()), f);
  const auto why = [&](auto&& change) {
    PythonFunction wrong = f;
    change(wrong);
    return PythonFunction::FromJson(wrong.ToJson()).status().message();
  };
  EXPECT_THAT(why([](auto& x) { x.name = "f g"; }), HasSubstr("letters, digits and underscores"));
  EXPECT_THAT(why([](auto& x) { x.output = "number"; }),
              HasSubstr("its output: no data type is written 'number'"));
  EXPECT_THAT(why([](auto& x) { x.inputs.clear(); }), HasSubstr("takes no column"));
  EXPECT_THAT(why([](auto& x) { x.source.resize(70'000); }), HasSubstr("70000 bytes"));
}

}  // namespace
}  // namespace tercet
