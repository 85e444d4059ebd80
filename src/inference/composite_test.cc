#include "inference/composite.h"

#include <cmath>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;
using Batch = std::shared_ptr<arrow::RecordBatch>;

std::shared_ptr<arrow::Schema> Doubles(const std::vector<std::string>& names) {
  arrow::FieldVector fields;
  for (const std::string& name : names) fields.push_back(arrow::field(name, arrow::float64()));
  return arrow::schema(fields);
}

Batch Rows(const std::shared_ptr<arrow::Schema>& schema,
           const std::vector<std::vector<double>>& columns) {
  arrow::ArrayVector arrays;
  for (const auto& column : columns) {
    arrow::DoubleBuilder builder;
    // NaN stands for null.
    for (const double value : column) {
      EXPECT_TRUE((std::isnan(value) ? builder.AppendNull() : builder.Append(value)).ok());
    }
    arrays.push_back(builder.Finish().ValueOrDie());
  }
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(columns[0].size()), arrays);
}

/// Gives its inputs' sum times a factor; as text where its output is one.
class Scale : public Predictor {
 public:
  Scale(Signature signature, double factor) : signature_(std::move(signature)), factor_(factor) {}
  const Signature& signature() const override { return signature_; }
  Result<Batch> Predict(const arrow::RecordBatch& features) override {
    std::vector<double> sums(features.num_rows(), 0);
    for (const auto& column : features.columns()) {
      for (int64_t row = 0; row < features.num_rows(); ++row) {
        const auto& numbers = static_cast<const arrow::DoubleArray&>(*column);
        sums[row] += numbers.IsNull(row) ? NAN : numbers.Value(row);
      }
    }
    if (signature_.outputs->field(0)->type()->id() == arrow::Type::STRING) {
      arrow::StringBuilder builder;
      for (const double sum : sums) {
        ARROW_RETURN_NOT_OK(builder.Append(sum * factor_ > 1 ? "yes" : "no"));
      }
      return arrow::RecordBatch::Make(signature_.outputs, features.num_rows(),
                                      {builder.Finish().ValueOrDie()});
    }
    for (double& sum : sums) sum *= factor_;
    return Rows(signature_.outputs, {sums});
  }

 private:
  const Signature signature_;
  const double factor_;
};

CompositePart Part(const std::string& name, const std::vector<std::string>& inputs,
                   const std::string& output, double factor) {
  const Signature signature{Doubles(inputs), Doubles({output})};
  return {{name, 1}, signature, std::make_shared<Scale>(signature, factor)};
}

Result<std::unique_ptr<Predictor>> Make(const std::string& text,
                                        const std::vector<CompositePart>& parts) {
  ARROW_ASSIGN_OR_RAISE(const auto definition, CompositeDefinition::Parse(text));
  ARROW_ASSIGN_OR_RAISE(const Signature signature, SignatureOf(definition, parts));
  return MakeComposite(definition, parts, signature);
}

TEST(Composite, AChainFeedsOutputsToInputs) {
  const auto chain = Make(R"({"kind": "chain", "parts": ["a@1", "b@1"]})",
                          {Part("a", {"x"}, "half", 0.5), Part("b", {"half", "y"}, "sum", 1)})
                         .ValueOrDie();
  EXPECT_THAT(chain->signature().inputs->field_names(), testing::ElementsAre("x", "y"));
  const auto answer = chain->Predict(*Rows(Doubles({"x", "y"}), {{2, 4}, {10, 20}})).ValueOrDie();
  EXPECT_TRUE(answer->Equals(*Rows(Doubles({"sum"}), {{11, 22}})));
  EXPECT_TRUE(chain->Predict(*Rows(Doubles({"x"}), {{2}})).status().IsInvalid());
}

TEST(Composite, AMeanIsWeightedAndKeepsNulls) {
  const std::vector<CompositePart> parts = {Part("a", {"x"}, "p", 1), Part("b", {"y"}, "p", 1)};
  const auto mean =
      Make(R"({"kind": "mean", "parts": ["a@1", "b@1"], "weights": [1, 3]})", parts).ValueOrDie();
  const auto answer =
      mean->Predict(*Rows(Doubles({"x", "y"}), {{4, NAN}, {8, 1}})).ValueOrDie();
  EXPECT_EQ(static_cast<const arrow::DoubleArray&>(*answer->column(0)).Value(0), 7);
  EXPECT_TRUE(answer->column(0)->IsNull(1));
}

TEST(Composite, AVoteGoesToTheMostWeightAndTiesToTheFirst) {
  const auto part = [](const std::string& name, double factor) -> CompositePart {
    const Signature signature{Doubles({"x"}), arrow::schema({arrow::field("c", arrow::utf8())})};
    return {{name, 1}, signature, std::make_shared<Scale>(signature, factor)};
  };
  const std::vector<CompositePart> parts = {part("a", 0.1), part("b", 1), part("c", 2)};
  const auto ask = [&](const std::string& text) {
    const auto vote = Make(text, parts).ValueOrDie();
    const auto answer = vote->Predict(*Rows(Doubles({"x"}), {{0.7, 2, 20}})).ValueOrDie();
    std::string all;
    for (int64_t row = 0; row < 3; ++row) {
      all += static_cast<const arrow::StringArray&>(*answer->column(0)).GetString(row) + " ";
    }
    return all;
  };
  EXPECT_EQ(ask(R"({"kind": "vote", "parts": ["a@1", "b@1", "c@1"]})"), "no yes yes ");
  EXPECT_EQ(ask(R"({"kind": "vote", "parts": ["a@1", "b@1", "c@1"], "weights": [2, 1, 1]})"),
            "no no yes ");
}

TEST(Composite, SaysWhatDoesNotFit) {
  const auto parse = [](const std::string& text) {
    return CompositeDefinition::Parse(text).status().message();
  };
  EXPECT_THAT(parse(R"({"kind": "chian", "parts": ["a@1", "b@1"]})"), HasSubstr("'chain'"));
  EXPECT_THAT(parse(R"({"kind": "chain", "parts": ["a", "b@1"]})"), HasSubstr("needs a version"));
  EXPECT_THAT(parse(R"({"kind": "mean", "parts": ["a@1"]})"), HasSubstr("2 to 64 parts, not 1"));
  EXPECT_THAT(parse(R"({"kind": "mean", "parts": ["a@1", "b@1"], "weights": [1, 0]})"),
              HasSubstr("above 0"));
  EXPECT_THAT(parse(R"({"kind": "mean", "parts": ["a@1", "b@1"], "weights": [1]})"),
              HasSubstr("2 parts have 1 weights"));
  EXPECT_THAT(Make(R"({"kind": "mean", "parts": ["a@1", "b@1"]})",
                   {Part("a", {"x"}, "p", 1), Part("b", {"x"}, "q", 1)})
                  .status()
                  .message(),
              HasSubstr("part 'b@1' gives no output 'p'"));
  const auto definition =
      CompositeDefinition::Parse(R"({"kind": "chain", "parts": ["a@1", "b@1"]})").ValueOrDie();
  EXPECT_THAT(MakeComposite(definition,
                            {Part("a", {"x"}, "half", 0.5), Part("b", {"half"}, "sum", 1)},
                            {Doubles({"z"}), Doubles({"sum"})})
                  .status()
                  .message(),
              HasSubstr("no feature is named 'x'"));
}

}  // namespace
}  // namespace tercet
