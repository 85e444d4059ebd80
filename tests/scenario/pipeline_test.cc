// The three pipelines end to end, through the product's interface: feature groups → view → training
// data → model → batch and online predictions → upgrade → rollback.

#include <filesystem>

#include <arrow/json/from_string.h>
#include <arrow/table.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "inference/stump_model.h"
#include "platform/platform.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kFlights = 200;
const char* const kCarriers[] = {"AA", "B6", "UA"};

std::shared_ptr<arrow::DataType> Time() {
  return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
}

Frame TableOf(const arrow::FieldVector& fields, const std::string& rows) {
  const auto array = arrow::json::ArrayFromJSONString(arrow::struct_(fields), rows).ValueOrDie();
  return arrow::Table::FromRecordBatches(
             arrow::schema(fields), {arrow::RecordBatch::FromStructArray(array).ValueOrDie()})
      .ValueOrDie();
}

RecordBatchReader ReaderOf(const Frame& frame) {
  return std::make_shared<arrow::TableBatchReader>(frame);
}

/// The hour of flight i's departure; the weather of an hour is known half an hour later.
int64_t DepartureOf(int64_t flight) { return (1000 + flight) * kHour; }

std::string OriginOf(int64_t flight) { return flight % 2 == 0 ? "JFK" : "LGA"; }

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void TearDown() override {
    project_.reset();
    std::filesystem::remove_all(root_);
  }

  void Open() {
    project_.reset();
    project_ = Platform::Open(root_).ValueOrDie();
  }

  void DefineGroups() {
    FeatureGroupDefinition weather{.name = "weather"};
    weather.primary_key = {"origin"};
    weather.event_time = "hour";
    weather.ttl_us = 3 * kHour;
    weather.online = true;
    ASSERT_TRUE(project_->DefineFeatureGroup(weather).ok());
    FeatureGroupDefinition flights{.name = "flights"};
    flights.primary_key = {"flight"};
    flights.event_time = "departure";
    ASSERT_TRUE(project_->DefineFeatureGroup(flights).ok());
  }

  /// Temperatures of every hour of both airports, times `factor`.
  void InsertWeather(double factor) {
    std::string rows;
    for (int64_t i = -1; i < kFlights; ++i) {
      for (const char* origin : {"JFK", "LGA"}) {
        rows += (rows.empty() ? "[\"" : ", [\"") + std::string(origin) + "\", " +
                std::to_string(DepartureOf(i) + kHour / 2) + ", " +
                std::to_string(factor * static_cast<double>((i * 37 + 11) % 101)) + "]";
      }
    }
    const Frame frame = TableOf({arrow::field("origin", arrow::utf8()),
                                 arrow::field("hour", Time()),
                                 arrow::field("temp", arrow::float64())},
                                "[" + rows + "]");
    InsertRequest request;
    request.wait_online = true;
    const auto commit = project_->Insert({"weather", 1}, ReaderOf(frame), request);
    ASSERT_TRUE(commit.ok()) << commit.status();
  }

  void InsertFlights() {
    std::string rows;
    for (int64_t i = 0; i < kFlights; ++i) {
      rows += (i == 0 ? "[" : ", [") + std::to_string(i) + ", " + std::to_string(DepartureOf(i)) +
              ", \"" + OriginOf(i) + "\", \"" + kCarriers[i % 3] + "\", " +
              std::to_string(100 + i * 53 % 97) + ".25, " + std::to_string(i % 4 == 0) + "]";
    }
    const Frame frame = TableOf(
        {arrow::field("flight", arrow::int64()), arrow::field("departure", Time()),
         arrow::field("origin", arrow::utf8()), arrow::field("carrier", arrow::utf8()),
         arrow::field("distance", arrow::float64()), arrow::field("late", arrow::int64())},
        "[" + rows + "]");
    const auto commit = project_->Insert({"flights", 1}, ReaderOf(frame), {});
    ASSERT_TRUE(commit.ok()) << commit.status();
  }

  void DefineView(int64_t version, const std::vector<TransformationDefinition>& transformations) {
    FeatureViewDefinition view{.name = "delay", .version = version};
    view.root = {.group = {"flights", 1}, .features = {"carrier", "distance", "late"}};
    view.joins = {{.group = {"weather", 1},
                   .features = {"temp"},
                   .on = {{"origin", "origin"}},
                   .prefix = "origin_"}};
    view.on_demand = {{"warmth", "origin_temp * 1.8 + distance / 3.0"}};
    view.labels = {"late"};
    view.transformations = transformations;
    const auto defined = project_->DefineFeatureView(view);
    ASSERT_TRUE(defined.ok()) << defined.status();
  }

  TrainingDatasetData Train(const Ref& view) {
    TrainingDataRequest request;
    request.split.method = SplitDefinition::Method::kTime;
    request.split.parts = {{"train", 0.75}, {"test", 0.25}};
    auto dataset = project_->CreateTrainingDataset(view, request, {});
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return *std::move(dataset);
  }

  /// A decision on every feature, so that an answer tells of all of them.
  Ref Register(const TrainingDatasetData& data, double unit) {
    const std::vector<std::string> names = data.parts[0].features->schema()->field_names();
    std::vector<Stump> stumps;
    for (size_t i = 0; i < names.size(); ++i) {
      for (const double threshold : {-1.0, 0.0, 0.5, 50.0}) {
        unit *= 1.25;
        stumps.push_back({static_cast<int>(i), threshold, -unit, unit});
      }
    }
    ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
    model.training_dataset = data.definition.ref();
    const auto registered =
        project_->RegisterModel(model, {{"model.json", StumpModel(names, stumps)}});
    EXPECT_TRUE(registered.ok()) << registered.status();
    return registered->ref();
  }

  static std::shared_ptr<arrow::RecordBatch> EntityOf(int64_t flight) {
    return TableOf({arrow::field("origin", arrow::utf8()), arrow::field("carrier", arrow::utf8()),
                    arrow::field("distance", arrow::float64())},
                   "[[\"" + OriginOf(flight) + "\", \"" + kCarriers[flight % 3] + "\", " +
                       std::to_string(100 + flight * 53 % 97) + ".25]]")
        ->CombineChunksToBatch()
        .ValueOrDie();
  }

  PredictData Predict(int64_t flight) {
    auto answer = project_->Predict("delay", EntityOf(flight), DepartureOf(flight));
    EXPECT_TRUE(answer.ok()) << answer.status();
    return *std::move(answer);
  }

  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-test-" + NewUuid())).string();
  std::shared_ptr<Platform> project_;
};

const std::vector<TransformationDefinition> kUsual = {
    {"impute", {"origin_temp", "warmth"}, {{"strategy", "mean"}}},
    {"standard_scaler", {"distance", "origin_temp"}, {}},
    {"robust_scaler", {"warmth"}, {}},
    {"one_hot_encoder", {"carrier"}, {}}};

TEST_F(PipelineTest, FromRowsToAnswersAndBack) {
  DefineGroups();
  InsertWeather(1);
  InsertFlights();
  DefineView(1, kUsual);
  const TrainingDatasetData data = Train({"delay", 1});
  ASSERT_EQ(data.parts.size(), 2);
  ASSERT_EQ(data.parts[0].features->num_rows(), 150);
  ASSERT_EQ(data.parts[1].features->num_rows(), 50);

  // No skew: the vector of a flight is its row of training data, bit for bit. The online store
  // keeps the newest rows, so the last flights can be asked for.
  const Frame test = data.parts[1].features;
  for (int64_t flight = kFlights - 3; flight < kFlights; ++flight) {
    const auto vectors = project_->Vectors(
        {"delay", 1}, {.entities = EntityOf(flight),
                       .event_time_us = DepartureOf(flight),
                       .training_dataset_version = data.definition.version});
    ASSERT_TRUE(vectors.ok()) << vectors.status();
    const auto row = test->Slice(flight - 150, 1)->CombineChunksToBatch().ValueOrDie();
    EXPECT_TRUE(row->Equals(*vectors->features, /*check_metadata=*/false))
        << row->ToString() << vectors->features->ToString();
  }

  const Ref model = Register(data, 0.001);
  const auto deployed = project_->Deploy("delay", model);
  ASSERT_TRUE(deployed.ok()) << deployed.status();

  // Batch and online agree bit for bit.
  const auto scored = project_->Batch(model, DepartureOf(kFlights - 3), std::nullopt, nullptr, {});
  ASSERT_TRUE(scored.ok()) << scored.status();
  ASSERT_EQ((*scored)->num_rows(), 3);
  std::vector<PredictData> before;
  for (int64_t flight = kFlights - 3; flight < kFlights; ++flight) {
    before.push_back(Predict(flight));
    EXPECT_TRUE(before.back().missing.empty());
    const auto& outputs = *before.back().outputs;
    const auto expected = (*scored)
                              ->GetColumnByName(outputs.schema()->field(0)->name())
                              ->GetScalar(flight - (kFlights - 3))
                              .ValueOrDie();
    EXPECT_TRUE(outputs.column(0)->GetScalar(0).ValueOrDie()->Equals(*expected));
  }

  // A second view and model; then back, also after the project was closed and opened again.
  DefineView(2, {{"one_hot_encoder", {"carrier"}, {}}});
  const Ref second = Register(Train({"delay", 2}), 0.002);
  ASSERT_TRUE(project_->Upgrade("delay", second).ok());
  EXPECT_EQ(Predict(kFlights - 1).release_number, 2);
  EXPECT_FALSE(Predict(kFlights - 1).outputs->Equals(*before.back().outputs));
  ASSERT_TRUE(project_->Rollback("delay").ok());
  for (int round = 0; round < 2; ++round) {
    for (int64_t i = 0; i < 3; ++i) {
      const PredictData after = Predict(kFlights - 3 + i);
      EXPECT_EQ(after.release_id, before[i].release_id);
      EXPECT_TRUE(after.outputs->Equals(*before[i].outputs));
    }
    Open();
  }

  // What the release needs stays; what was read can be made again after corrections.
  EXPECT_THAT(project_->DropModel(model).message(), HasSubstr("needed by"));
  EXPECT_TRUE(project_->DropFeatureGroup({"weather", 1}).IsInvalid());
  InsertWeather(2);
  ASSERT_TRUE(project_->Compact({"weather", 1}).ok());
  const auto again = project_->RebuildTrainingDataset({"delay", 1}, 1, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->parts[0].features->Equals(*data.parts[0].features));
  EXPECT_TRUE(again->parts[1].features->Equals(*test));
}

TEST_F(PipelineTest, AModelOfOtherFeaturesIsRefusedWhereItIsRegistered) {
  DefineGroups();
  InsertWeather(1);
  InsertFlights();
  DefineView(1, kUsual);
  const TrainingDatasetData data = Train({"delay", 1});
  ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
  model.training_dataset = data.definition.ref();
  const Status refused =
      project_->RegisterModel(model, {{"model.json", StumpModel({"a", "b"}, {{0, 1, 2, 3}})}})
          .status();
  EXPECT_TRUE(refused.IsInvalid()) << refused;
  EXPECT_TRUE(project_->ListModels().ValueOrDie().empty());
}

}  // namespace
}  // namespace tercet
