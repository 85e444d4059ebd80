#include "inference/prediction_log.h"

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/training_dataset.h"
#include "inference/inference.h"
#include "inference/prediction_rows.h"
#include "inference/prediction_table.h"
#include "inference/stump_model.h"
#include "online/online_store.h"
#include "view/point_in_time_read.h"
#include "view/test_project.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A deployment "delay" of the weather at a flight's origin, kept online, and its distance, which
/// comes with the request.
class PredictionLogTest : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    InsertFlights(4);
    InsertWeather({9, 11, 13, 15});
    FeatureViewDefinition view{.name = "delay"};
    view.root = {.group = {"flights", 1}, .features = {"distance", "late"}};
    view.joins = {{.group = {"weather", 1},
                   .features = {"temp"},
                   .on = {{"origin", "origin"}},
                   .prefix = "origin_"}};
    view.on_demand = {{"warm_miles", "distance * coalesce(origin_temp, 1.0)"}};
    view.labels = {"late"};
    ASSERT_TRUE(views_->Define(view).ok());
    online_ = OnlineStore::Open(JoinPath(root_, "online"), &clock_).ValueOrDie();
    FeatureGroupDefinition weather = tables_->Definition({"weather", 1}).ValueOrDie();
    weather.online = true;
    ASSERT_TRUE(online_->Define(weather).ok());
    Load();
    registry_ = std::make_unique<Registry>(catalog_.get(), LocalFileSystem(), root_, &clock_);
    inference_ = std::make_unique<Inference>(catalog_.get(), tables_.get(), registry_.get(),
                                             online_.get(), &clock_, PredictorOptions{});
    TrainingDatasetDefinition dataset{.view = {"delay", 1}};
    ASSERT_TRUE(catalog_
                    ->Put(Kind::kTrainingDataset, {"delay@1", 0}, dataset.ToJson(),
                          {{Kind::kFeatureView, {"delay", 1}}})
                    .ok());
    Deploy({"distance", "origin_temp", "warm_miles"});
    LogAll();
  }

  void TearDown() override {
    inference_.reset();
    registry_.reset();
    online_.reset();
    FlightsProject::TearDown();
  }

  Table* weather() {
    kept_ = tables_->Get({"weather", 1}).ValueOrDie();
    return kept_.get();
  }

  void Load() {
    const auto head = weather()->Head().ValueOrDie();
    ASSERT_TRUE(online_->Load({"weather", 1}, head->Scan({}).ValueOrDie(), head->version()).ok());
  }

  /// Applies what was committed since.
  void Sync() {
    const int64_t applied = online_->AppliedVersion({"weather", 1}).ValueOrDie();
    const auto head = weather()->Head().ValueOrDie();
    const auto changes = weather()->Changes(applied, head->version()).ValueOrDie();
    const auto keys = online_->Apply({"weather", 1}, changes, head->version()).ValueOrDie();
    for (const auto& batch : keys) {
      ASSERT_TRUE(
          online_->Refill({"weather", 1}, batch, head->Lookup(batch, {}).ValueOrDie()).ok());
    }
  }

  /// The online store has this row instead of all others, and says that it is of the table's head.
  void Tamper(int64_t hour_us, double temp) {
    const auto rows = TableOf(WeatherFields(), "[[\"JFK\", " + std::to_string(hour_us) + ", " +
                                                   std::to_string(temp) + "]]");
    const int64_t applied = online_->AppliedVersion({"weather", 1}).ValueOrDie();
    ASSERT_TRUE(
        online_->Load({"weather", 1}, std::make_shared<arrow::TableBatchReader>(rows), applied)
            .ok());
  }

  void Deploy(const std::vector<std::string>& inputs) {
    ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
    arrow::FieldVector fields;
    for (const std::string& name : inputs) fields.push_back(arrow::field(name, arrow::float64()));
    model.signature = {.inputs = arrow::schema(fields),
                       .outputs = arrow::schema({arrow::field("score", arrow::float64())})};
    model.training_dataset = {"delay@1", 1};
    const Ref ref =
        registry_->RegisterModel(model, {{"model.json", StumpModel(inputs, {{1, 12, 0.5, 1}})}})
            .ValueOrDie()
            .ref();
    ASSERT_TRUE(
        registry_->Deploy("delay", inference_->MakeRelease(ref).ValueOrDie(), "test").ok());
  }

  void LogAll() { ASSERT_TRUE(registry_->SetPolicy("delay", {.log_percent = 100}).ok()); }

  Prediction Ask(const std::string& rows, int64_t hour, const std::string& id = "") {
    const auto entities = BatchOf(
        {arrow::field("origin", arrow::utf8()), arrow::field("distance", arrow::float64())}, rows);
    return inference_->Predict("delay", entities, hour * kHour, id).ValueOrDie();
  }

  std::shared_ptr<arrow::Table> Log(int64_t version = 1) {
    EXPECT_TRUE(inference_->FlushLog("delay").ok());
    return tables_->Get({"delay_predictions", version})
        .ValueOrDie()
        ->Head()
        .ValueOrDie()
        ->Scan({})
        .ValueOrDie()
        ->ToTable()
        .ValueOrDie();
  }

  static std::string Cell(const arrow::Table& table, const std::string& column, int64_t row) {
    return table.GetColumnByName(column)->GetScalar(row).ValueOrDie()->ToString();
  }

  PredictionLogStatistics LogStatistics() {
    return inference_->Statistics("delay").ValueOrDie().log;
  }

  Verification Verify(const VerifyRequest& request = {}) {
    return inference_->Verify("delay", request).ValueOrDie();
  }

  std::shared_ptr<Table> kept_;
  std::unique_ptr<OnlineStore> online_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Inference> inference_;
};

TEST_F(PredictionLogTest, KeepsWhatWasAskedReadAndAnswered) {
  EXPECT_EQ(Ask(R"([["JFK", 300]])", 12, "r1").request_id, "r1");
  const auto log = Log();
  ASSERT_EQ(log->num_rows(), 1);
  EXPECT_EQ(Cell(*log, "origin", 0), "JFK");
  EXPECT_EQ(Cell(*log, "request_id", 0), "r1");
  EXPECT_EQ(Cell(*log, "release_number", 0), "1");
  EXPECT_EQ(Cell(*log, "arm", 0), "main");
  EXPECT_EQ(Cell(*log, "input_distance", 0), "300");
  EXPECT_EQ(Cell(*log, "feature_distance", 0), "300");
  EXPECT_EQ(Cell(*log, "feature_origin_temp", 0), "11");
  EXPECT_EQ(Cell(*log, "feature_warm_miles", 0), "3300");
  EXPECT_EQ(Cell(*log, "output_score", 0), "0.5");
  EXPECT_THAT(Cell(*log, "read_group", 0), HasSubstr("weather@1"));
  EXPECT_THAT(Cell(*log, "read_status", 0), HasSubstr("present"));
  EXPECT_THAT(Cell(*log, "read_event_time", 0), HasSubstr("1970-01-01 11:30:00"));
  EXPECT_THAT(Cell(*log, "read_version", 0), HasSubstr("1"));
  const FeatureGroupDefinition group = tables_->Definition({"delay_predictions", 1}).ValueOrDie();
  EXPECT_THAT(group.primary_key, ElementsAre("origin", "request_id"));
  EXPECT_EQ(group.event_time, "event_time");
  EXPECT_EQ(LogStatistics().written, 1);
  EXPECT_EQ(LogStatistics().waiting, 0);
}

TEST_F(PredictionLogTest, RowsOfOneRequestAreToldApart) {
  const Prediction prediction = Ask(R"([["JFK", 1], ["JFK", 2], ["LGA", 3]])", 12);
  EXPECT_FALSE(prediction.request_id.empty());
  const auto log = Log();
  ASSERT_EQ(log->num_rows(), 3);
  std::set<std::string> ids;
  for (int64_t row = 0; row < 3; ++row) ids.insert(Cell(*log, "request_id", row));
  const std::string& id = prediction.request_id;
  EXPECT_EQ(ids, (std::set<std::string>{id + "/0", id + "/1", id + "/2"}));
}

TEST_F(PredictionLogTest, TakesThePartThatThePolicySays) {
  ASSERT_TRUE(registry_->SetPolicy("delay", {.log_percent = 25}).ok());
  for (int i = 0; i < 400; ++i) Ask(R"([["JFK", 300]])", 12);
  const int64_t rows = Log()->num_rows();
  EXPECT_GE(rows, 98);
  EXPECT_LE(rows, 102);
  // The other requests are answered in place.
  const std::string origin = "JFK";
  const double distance = 300;
  const auto cell_of = [&](const std::string& column) {
    return column == "origin"
               ? tercet::Cell{origin.data(), static_cast<uint32_t>(origin.size())}
               : tercet::Cell{reinterpret_cast<const char*>(&distance), sizeof(distance)};
  };
  int in_place = 0;
  for (int i = 0; i < 400; ++i) {
    const auto predictor = inference_->PredictorOf("delay").ValueOrDie();
    std::vector<tercet::Cell> cells;
    for (const auto& field : predictor->entities()->fields()) {
      cells.push_back(cell_of(field->name()));
    }
    RowPrediction prediction;
    const bool answered = predictor->Predict(cells, 12 * kHour, &prediction).ValueOrDie();
    in_place += answered;
    if (!answered) Ask(R"([["JFK", 300]])", 12);
  }
  EXPECT_EQ(Log()->num_rows() - rows, 400 - in_place);
  EXPECT_NEAR(in_place, 300, 2);
  ASSERT_TRUE(registry_->SetPolicy("delay", {.log_percent = 0}).ok());
  Ask(R"([["JFK", 300]])", 12);
  EXPECT_EQ(Log()->num_rows(), rows + 400 - in_place);
}

// What all of a request's ways share, for the thread sanitizer.
TEST_F(PredictionLogTest, TheShortWayRunsBesideTheLogAShadowAndWrites) {
  const std::vector<std::string> inputs = {"distance", "origin_temp"};
  ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
  model.signature = {.inputs = arrow::schema({arrow::field("distance", arrow::float64()),
                                              arrow::field("origin_temp", arrow::float64())}),
                     .outputs = arrow::schema({arrow::field("score", arrow::float64())})};
  model.training_dataset = {"delay@1", 1};
  const Ref ref =
      registry_->RegisterModel(model, {{"model.json", StumpModel(inputs, {{1, 12, 0.5, 1}})}})
          .ValueOrDie()
          .ref();
  const Release shadow = inference_->MakeRelease(ref).ValueOrDie();
  ASSERT_TRUE(registry_
                  ->SetTraffic("delay", {{shadow, TrafficArm{.percent = 100, .shadow = true}}}, "",
                               "test")
                  .ok());
  // Of a log of all requests, none would be answered in place before the first change below.
  ASSERT_TRUE(registry_->SetPolicy("delay", {.log_percent = 50}).ok());
  Load();
  constexpr int kThreads = 3, kRequests = 60;
  std::atomic<int64_t> in_place = 0;
  std::vector<std::thread> askers;
  for (int t = 0; t < kThreads; ++t) {
    askers.emplace_back([&] {
      const std::string origin = "JFK";
      const double distance = 300;
      for (int i = 0; i < kRequests; ++i) {
        const auto predictor = inference_->PredictorOf("delay").ValueOrDie();
        std::vector<tercet::Cell> cells;
        for (const auto& field : predictor->entities()->fields()) {
          cells.push_back(field->name() == "origin"
                              ? tercet::Cell{origin.data(), static_cast<uint32_t>(origin.size())}
                              : tercet::Cell{reinterpret_cast<const char*>(&distance),
                                             sizeof(distance)});
        }
        RowPrediction prediction;
        const bool answered = predictor->Predict(cells, 12 * kHour, &prediction).ValueOrDie();
        in_place += answered;
        if (!answered) Ask(R"([["JFK", 300]])", 12);
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(registry_->SetPolicy("delay", {.log_percent = i % 2 == 0 ? 25.0 : 50.0}).ok());
    Load();
    EXPECT_TRUE(inference_->Statistics("delay").ok());
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_GT(in_place, 0);
  // Of several that are put off at once, one is kept.
  const int64_t rows = Log()->num_rows();
  EXPECT_GT(rows, 0);
  EXPECT_LE(rows, kThreads * kRequests - in_place);
}

TEST_F(PredictionLogTest, AnotherReleaseAddsItsColumns) {
  Ask(R"([["JFK", 300]])", 12, "first");
  ASSERT_EQ(Log()->num_rows(), 1);
  FeatureViewDefinition view = views_->Get({"delay", 1}).ValueOrDie();
  view.version = 2;
  view.on_demand.push_back({"far", "distance * 2.0"});
  ASSERT_TRUE(views_->Define(view).ok());
  TrainingDatasetDefinition dataset{.view = {"delay", 2}};
  ASSERT_TRUE(catalog_
                  ->Put(Kind::kTrainingDataset, {"delay@2", 0}, dataset.ToJson(),
                        {{Kind::kFeatureView, {"delay", 2}}})
                  .ok());
  ModelDefinition model{.name = "delay", .format = ModelFormat::kXgboost};
  model.signature = {.inputs = arrow::schema({arrow::field("distance", arrow::float64()),
                                              arrow::field("origin_temp", arrow::float64()),
                                              arrow::field("warm_miles", arrow::float64()),
                                              arrow::field("far", arrow::float64())}),
                     .outputs = arrow::schema({arrow::field("score", arrow::float64())})};
  model.training_dataset = {"delay@2", 1};
  const Ref ref = registry_
                      ->RegisterModel(model, {{"model.json", StumpModel({"distance", "origin_temp",
                                                                         "warm_miles", "far"},
                                                                        {{1, 12, 0.5, 1}})}})
                      .ValueOrDie()
                      .ref();
  ASSERT_TRUE(registry_->Upgrade("delay", inference_->MakeRelease(ref).ValueOrDie(), "test").ok());
  Ask(R"([["JFK", 300]])", 12, "second");
  const auto log = Log();
  ASSERT_EQ(log->num_rows(), 2);
  std::map<std::string, std::string> far;
  for (int64_t row = 0; row < 2; ++row) {
    far[Cell(*log, "request_id", row)] = Cell(*log, "feature_far", row);
  }
  EXPECT_EQ(far, (std::map<std::string, std::string>{{"first", "null"}, {"second", "600"}}));
  const Verification report = Verify();
  EXPECT_EQ(report.rows, 2);
  EXPECT_TRUE(report.passed()) << ToText(report.ToJson());
}

TEST_F(PredictionLogTest, WhatCantBeKeyedOrWrittenIsCounted) {
  Ask(R"([[null, 300], ["JFK", 1]])", 12);
  EXPECT_EQ(Log()->num_rows(), 1);
  EXPECT_EQ(LogStatistics().failed, 1);
  EXPECT_THAT(LogStatistics().last_error, HasSubstr("without an entity"));
  // A group of the user's own stands where a log would be.
  ASSERT_TRUE(tables_->Drop({"delay_predictions", 1}).ok());
  FeatureGroupDefinition own{.name = "delay_predictions"};
  own.primary_key = {"x"};
  ASSERT_TRUE(tables_->Define(own).ok());
  Ask(R"([["JFK", 300]])", 12);
  EXPECT_TRUE(inference_->FlushLog("delay").IsInvalid());
  EXPECT_EQ(LogStatistics().failed, 2);
  EXPECT_THAT(LogStatistics().last_error, HasSubstr("stands where the prediction log"));
}

TEST_F(PredictionLogTest, AFullQueueDropsAndCounts) {
  const auto book = std::make_shared<PredictionLogBook>();
  const auto loaded = [&] {
    FeatureViews views(catalog_.get(), tables_.get());
    const Release release = inference_->MakeRelease({"delay", 1}).ValueOrDie();
    return LoadedRelease::Load(release, &views, registry_.get(), {}).ValueOrDie();
  }();
  // Of 40 MB the queue takes one at a time, and the writer may take that over meanwhile.
  const std::string large(40 << 20, 'x');
  const auto entities = BatchOf({arrow::field("origin", arrow::utf8())}, R"([["JFK"]])")
                            ->AddColumn(1, "note", arrow::MakeArrayFromScalar(
                                                       arrow::StringScalar(large), 1)
                                                       .ValueOrDie())
                            .ValueOrDie();
  const auto number = BatchOf({arrow::field("distance", arrow::float64())}, "[[1]]");
  {
    PredictionLog log(tables_.get());
    for (int i = 0; i < 8; ++i) {
      log.Offer({.deployment = "other",
                 .request_id = "r" + std::to_string(i),
                 .loaded = loaded,
                 .entities = entities,
                 .features = number,
                 .outputs = number,
                 .book = book});
    }
  }
  const PredictionLogStatistics statistics = book->Read();
  EXPECT_GE(statistics.dropped, 1);
  EXPECT_GE(statistics.written, 1);
  EXPECT_EQ(statistics.waiting + statistics.failed, 0) << statistics.last_error;
  EXPECT_EQ(statistics.dropped + statistics.written, 8);
  EXPECT_EQ(tables_->Get({"other_predictions", 1}).ValueOrDie()->Head().ValueOrDie()->row_count(),
            statistics.written);
}

TEST_F(PredictionLogTest, EndsWithWhatWaitedWritten) {
  Ask(R"([["JFK", 300]])", 12, "last");
  inference_.reset();
  const auto head = tables_->Get({"delay_predictions", 1}).ValueOrDie()->Head().ValueOrDie();
  EXPECT_EQ(head->row_count(), 1);
}

TEST_F(PredictionLogTest, LabelsThatComeLaterAreJoinedAsOfTheirTime) {
  Ask(R"([["JFK", 300]])", 12, "a");
  Ask(R"([["JFK", 400]])", 14, "b");
  Log();
  FeatureGroupDefinition labels{.name = "arrivals"};
  labels.primary_key = {"origin", "request_id"};
  labels.event_time = "arrived";
  ASSERT_TRUE(tables_->Define(labels).ok());
  // "c" was never asked; "b" has its label before it was asked, which no join may see.
  Insert({"arrivals", 1},
         TableOf({arrow::field("origin", arrow::utf8()), arrow::field("request_id", arrow::utf8()),
                  arrow::field("arrived", Time()), arrow::field("late", arrow::int64())},
                 "[[\"JFK\", \"a\", " + std::to_string(20 * kHour) + ", 1], [\"JFK\", \"b\", " +
                     std::to_string(13 * kHour) + ", 0], [\"JFK\", \"c\", " +
                     std::to_string(20 * kHour) + ", 1]]"));
  FeatureViewDefinition view{.name = "quality"};
  view.root = {.group = {"arrivals", 1}, .features = {"late"}};
  view.joins = {{.group = {"delay_predictions", 1},
                 .features = {"output_score", "feature_origin_temp", "release_number"},
                 .on = {{"origin", "origin"}, {"request_id", "request_id"}}}};
  view.labels = {"late"};
  ASSERT_TRUE(views_->Define(view).ok());
  const auto plan = views_->Plan({"quality", 1}).ValueOrDie();
  const ViewRows rows = ReadView(*plan, tables_.get(), {}).ValueOrDie();
  std::map<std::string, std::string> scores;
  for (int64_t row = 0; row < rows.columns->num_rows(); ++row) {
    scores[Cell(*rows.keys, "request_id", row)] = Cell(*rows.columns, "output_score", row);
  }
  EXPECT_EQ(scores, (std::map<std::string, std::string>{
                        {"a", "0.5"}, {"b", "null"}, {"c", "null"}}));
}

TEST_F(PredictionLogTest, VerifyPassesThroughLateRowsDeletesAndTimeToLive) {
  Ask(R"([["JFK", 300], ["LGA", 100]])", 12);  // present; missing
  Ask(R"([["JFK", 300]])", 19);                // expired
  InsertWeather({12});                         // late: between two that are there
  Ask(R"([["JFK", 300]])", 13);                // online does not have it yet
  Sync();
  Ask(R"([["JFK", 300]])", 13);
  const auto keys = TableOf({arrow::field("origin", arrow::utf8()), arrow::field("hour", Time())},
                            "[[\"JFK\", " + std::to_string(12 * kHour + kHour / 2) + "]]");
  ASSERT_TRUE(weather()->Delete(std::make_shared<arrow::TableBatchReader>(keys)).ok());
  Ask(R"([["JFK", 300]])", 13);
  Sync();
  Ask(R"([["JFK", 300]])", 13);
  // A null is a value, too.
  Insert({"weather", 1}, TableOf(WeatherFields(), "[[\"JFK\", " +
                                                      std::to_string(16 * kHour) + ", null]]"));
  Sync();
  Ask(R"([["JFK", 300]])", 17);
  const Verification report = Verify();
  EXPECT_EQ(report.rows + report.unavailable, 8);
  EXPECT_GE(report.rows, 7);
  EXPECT_EQ(report.differences, 0);
  EXPECT_TRUE(report.passed()) << ToText(report.ToJson());
  EXPECT_EQ(Verify({.limit = 1}).rows, 1);
}

TEST_F(PredictionLogTest, VerifyFindsATamperedRow) {
  Ask(R"([["JFK", 300]])", 12, "before");
  // Somebody writes to the online store alone: the row of 11:30 is 99 degrees.
  Tamper(11 * kHour + kHour / 2, 99);
  Ask(R"([["JFK", 300]])", 12, "after");
  const Verification report = Verify();
  EXPECT_EQ(report.rows, 2);
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.by_feature,
            (std::map<std::string, int64_t>{{"origin_temp", 1}, {"warm_miles", 1}}));
  ASSERT_EQ(report.listed.size(), 2);
  EXPECT_EQ(report.listed[0].request_id, "after");
  EXPECT_EQ(report.listed[0].online, "99");
  EXPECT_EQ(report.listed[0].offline, "11");
  EXPECT_EQ(report.listed[0].event_time_us, 12 * kHour);
}

TEST_F(PredictionLogTest, VerifyFindsARowThatOnlineShouldNotHave) {
  Tamper(11 * kHour + kHour / 2 + 1, 11);
  Ask(R"([["JFK", 300]])", 12);
  // The value is the same, but not the row that it is of.
  const Verification report = Verify();
  EXPECT_EQ(report.by_feature, (std::map<std::string, int64_t>{{"weather@1", 1}}));
}

TEST_F(PredictionLogTest, VerifySaysWhenNothingWasLogged) {
  EXPECT_TRUE(inference_->Verify("delay", {}).status().IsKeyError());
  EXPECT_TRUE(inference_->Verify("dely", {}).status().IsKeyError());
}

}  // namespace
}  // namespace tercet
