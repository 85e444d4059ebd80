// A few rows that are answered in place, and a batch of the same.

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "inference/test_inference.h"

namespace tercet {
namespace {

using RowPredictorTest = InferenceTest;

/// The bits of all outputs, from a batch and in place.
void ExpectSameOutputs(const Prediction& batch, const RowPrediction& rows) {
  const auto columns = static_cast<size_t>(batch.outputs->num_columns());
  ASSERT_EQ(static_cast<size_t>(batch.outputs->num_rows()) * columns, rows.outputs.size());
  for (size_t i = 0; i < rows.outputs.size(); ++i) {
    const arrow::Array& column = *batch.outputs->column(static_cast<int>(i % columns));
    EXPECT_EQ(CellOf(column, static_cast<int64_t>(i / columns)).bytes(), rows.outputs[i].bytes());
  }
  EXPECT_EQ(batch.missing, rows.missing);
}

TEST_F(RowPredictorTest, RowsInPlaceGiveTheBitsOfABatch) {
  Deploy(RegisterUsual());
  std::mt19937_64 random(29);
  RowPrediction prediction;
  int missing = 0, requests = 0;
  std::set<double> answers;
  for (int k = 0; k < 300; ++k) {
    const auto predictor = inference_->PredictorOf("delay").ValueOrDie();
    ASSERT_NE(predictor, nullptr);
    const auto one_of = [&](const std::vector<std::string>& values) {
      return values[random() % values.size()];
    };
    const size_t count = k % 2 == 0 ? 1 : 1 + random() % RowPredictor::kMostRows;
    std::string text;
    for (size_t i = 0; i < count; ++i) {
      const std::string origin = one_of({"\"JFK\"", "\"JFK\"", "\"JFK\"", "\"LGA\"", "null"});
      const std::string carrier = one_of({"\"AA\"", "\"B6\"", "\"ZZ\"", "null"});
      const std::string distance = random() % 6 == 0 ? "null" : std::to_string(random() % 400);
      text += (i == 0 ? "[" : ", [") + origin + ", " + carrier + ", " + distance + "]";
    }
    const auto entities = Entities("[" + text + "]");
    const int64_t time_us = static_cast<int64_t>(random() % 40) * kHour;
    const auto batch = inference_->Predict("delay", entities, time_us).ValueOrDie();
    std::vector<Cell> cells;
    for (size_t i = 0; i < count; ++i) {
      for (const auto& field : predictor->entities()->fields()) {
        cells.push_back(CellOf(*entities->GetColumnByName(field->name()), static_cast<int64_t>(i)));
      }
    }
    prediction.request_id = "mine";
    ASSERT_TRUE(predictor->Predict(cells, time_us, &prediction).ValueOrDie());
    EXPECT_EQ(prediction.request_id, "mine");
    ExpectSameOutputs(batch, prediction);
    answers.insert(OutputOf(batch));
    missing += static_cast<int>(!prediction.missing.empty());
    requests += 2;
  }
  EXPECT_GT(answers.size(), 4u);
  EXPECT_GT(missing, 50);
  const auto statistics = inference_->Statistics("delay").ValueOrDie();
  EXPECT_EQ(statistics.releases[0].successes, requests) << "both ways are counted";
  EXPECT_GT(statistics.releases[0].rows, statistics.releases[0].successes);
}

TEST_F(RowPredictorTest, ManyRowsAreForBatches) {
  Deploy(RegisterUsual());
  const auto predictor = inference_->PredictorOf("delay").ValueOrDie();
  const auto width = static_cast<size_t>(predictor->entities()->num_fields());
  const std::vector<Cell> cells((RowPredictor::kMostRows + 1) * width);
  RowPrediction prediction;
  EXPECT_FALSE(predictor->Predict(cells, 16 * kHour, &prediction).ValueOrDie());
  EXPECT_TRUE(inference_->Statistics("delay").ValueOrDie().releases.empty());
}

TEST_F(RowPredictorTest, ARowInPlaceIsOfTheReleaseThatIsServed) {
  EXPECT_TRUE(inference_->PredictorOf("delay").status().IsKeyError());
  Deploy(RegisterUsual());
  const RowPrediction first = InPlace(R"([["JFK", "AA", 300]])");
  EXPECT_EQ(first.release_number, 1);
  Deploy(Register(kInputs, {{2, 0.5, 8, 16}}));
  const RowPrediction second = InPlace(R"([["JFK", "AA", 300]])");
  EXPECT_EQ(second.release_number, 2);
}

}  // namespace
}  // namespace tercet
