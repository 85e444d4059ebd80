#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/training_dataset.h"
#include "compute/transformation.h"
#include "inference/inference.h"
#include "inference/stump_model.h"
#include "online/online_store.h"
#include "view/test_project.h"

namespace tercet {

/// The flights' project with a view, its online rows and models, to be served as "delay".
class InferenceTest : public FlightsProject {
 protected:
  static inline const std::vector<std::string> kInputs = {"carrier_AA", "carrier_B6", "distance",
                                                          "origin_temp"};

  static double OutputOf(const Prediction& prediction, int64_t row = 0) {
    return static_cast<const arrow::DoubleArray&>(*prediction.outputs->column(0)).Value(row);
  }

  void SetUp() override {
    FlightsProject::SetUp();
    InsertFlights(20);
    weather_version_ = InsertWeather({9, 11, 13, 15, 17, 25, 27});
    ASSERT_TRUE(views_->Define(DelayView()).ok());
    online_ = OnlineStore::Open(JoinPath(root_, "online"), &clock_).ValueOrDie();
    FeatureGroupDefinition weather = tables_->Definition({"weather", 1}).ValueOrDie();
    weather.online = true;
    ASSERT_TRUE(online_->Define(weather).ok());
    LoadWeather();
    registry_ = std::make_unique<Registry>(catalog_.get(), LocalFileSystem(), root_, &clock_);
    inference_ = NewInference(catalog_.get());
    PutDataset();
  }

  void TearDown() override {
    inference_.reset();
    registry_.reset();
    online_.reset();
    FlightsProject::TearDown();
  }

  std::unique_ptr<Inference> NewInference(Catalog* catalog) {
    return std::make_unique<Inference>(catalog, tables_.get(), registry_.get(), online_.get(),
                                       &clock_, PredictorOptions{});
  }

  void LoadWeather() {
    const auto head = tables_->Get({"weather", 1}).ValueOrDie()->Head().ValueOrDie();
    ASSERT_TRUE(online_->Load({"weather", 1}, head->Scan({}).ValueOrDie(), head->version()).ok());
  }

  /// A training dataset of the view, as the training pipeline registers it: distances scaled by a
  /// mean of 150, carriers AA and B6.
  void PutDataset() {
    const auto plan = views_->Plan({"delay", 1}).ValueOrDie();
    const auto rows =
        TableOf({arrow::field("carrier", arrow::utf8()), arrow::field("distance", arrow::float64()),
                 arrow::field("origin_temp", arrow::float64())},
                R"([["AA", 0, 1], ["B6", 100, 2], ["AA", 200, 3], ["B6", 300, 4]])");
    TrainingDatasetDefinition dataset{.view = {"delay", 1}};
    for (const auto& one : plan->definition().transformations) {
      dataset.fitted_transformations.push_back(
          FitTransformation(one.kind, one.columns, one.options, *rows).ValueOrDie().ToJson());
    }
    ASSERT_TRUE(catalog_
                    ->Put(Kind::kTrainingDataset, {"delay@1", 0}, dataset.ToJson(),
                          {{Kind::kFeatureView, {"delay", 1}}})
                    .ok());
  }

  static Signature SignatureOf(const std::vector<std::string>& inputs) {
    arrow::FieldVector fields;
    for (const std::string& name : inputs) fields.push_back(arrow::field(name, arrow::float64()));
    return {.inputs = arrow::schema(fields),
            .outputs = arrow::schema({arrow::field("score", arrow::float64())})};
  }

  Ref Register(const std::vector<std::string>& inputs, const std::vector<Stump>& stumps,
               const std::optional<Ref>& dataset = Ref{"delay@1", 1}) {
    ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
    model.signature = SignatureOf(inputs);
    model.training_dataset = dataset;
    return registry_->RegisterModel(model, {{"model.json", StumpModel(inputs, stumps)}})
        .ValueOrDie()
        .ref();
  }

  /// Three decisions, so that most rows have an answer of their own.
  Ref RegisterUsual() {
    return Register(kInputs, {{2, 0.5, 0.125, 0.25}, {3, 14, 0.5, 1}, {0, 0.5, 2, 4}});
  }

  void Deploy(const Ref& model) {
    const Release release = inference_->MakeRelease(model).ValueOrDie();
    ASSERT_TRUE(registry_->Deploy("delay", release, "test").ok());
  }

  static std::shared_ptr<arrow::RecordBatch> Entities(const std::string& rows) {
    return BatchOf({arrow::field("origin", arrow::utf8()), arrow::field("carrier", arrow::utf8()),
                    arrow::field("distance", arrow::float64())},
                   rows);
  }

  /// One row of Entities, the short way; as of 16 o'clock.
  RowPrediction InPlace(const std::string& row) {
    const auto predictor = inference_->PredictorOf("delay").ValueOrDie();
    const auto entities = Entities(row);
    std::vector<Cell> cells;
    for (const auto& field : predictor->entities()->fields()) {
      cells.push_back(CellOf(*entities->GetColumnByName(field->name()), 0));
    }
    RowPrediction prediction;
    EXPECT_TRUE(predictor->Predict(cells, 16 * kHour, &prediction).ValueOrDie());
    return prediction;
  }

  int64_t weather_version_ = 0;
  std::unique_ptr<OnlineStore> online_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Inference> inference_;
};

}  // namespace tercet
