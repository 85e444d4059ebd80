#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <arrow/json/from_string.h>
#include <arrow/table.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/id.h"
#include "base/parallel.h"
#include "catalog/catalog.h"
#include "offline/feature_tables.h"
#include "view/feature_views.h"

namespace tercet {

inline constexpr int64_t kHour = 3'600'000'000;

/// A table of JSON rows: R"([["JFK", 1], …])".
inline std::shared_ptr<arrow::Table> TableOf(const arrow::FieldVector& fields,
                                             const std::string& rows) {
  const auto schema = arrow::schema(fields);
  const auto array = arrow::json::ArrayFromJSONString(arrow::struct_(fields), rows).ValueOrDie();
  const auto batch = arrow::RecordBatch::FromStructArray(array).ValueOrDie();
  return arrow::Table::FromRecordBatches(schema, {batch}).ValueOrDie();
}

inline std::shared_ptr<arrow::RecordBatch> BatchOf(const arrow::FieldVector& fields,
                                                   const std::string& rows) {
  return TableOf(fields, rows)->CombineChunksToBatch().ValueOrDie();
}

/// A project in a directory of its own under the system's temporary one, for the tests of the rooms
/// that stand on view. Its clock stands at 100 hours.
class TestProject : public ::testing::Test {
 protected:
  void SetUp() override {
    InitializeArrow();
    std::filesystem::create_directories(root_);
    catalog_ = Catalog::Open(JoinPath(root_, "catalog.sqlite"), &clock_).ValueOrDie();
    tables_ = std::make_unique<FeatureTables>(catalog_.get(), LocalFileSystem(), root_, &clock_);
    views_ = std::make_unique<FeatureViews>(catalog_.get(), tables_.get());
  }

  void TearDown() override {
    views_.reset();
    tables_.reset();
    catalog_.reset();
    std::filesystem::remove_all(root_);
  }

  /// Upserts rows into a group that is defined. Returns the commit's version.
  int64_t Insert(const Ref& group, const std::shared_ptr<arrow::Table>& rows) {
    const auto table = tables_->GetOrCreate(group, rows->schema()).ValueOrDie();
    const auto reader = std::make_shared<arrow::TableBatchReader>(rows);
    clock_.Advance(1000);
    return table->Write(reader, {}).ValueOrDie().version;
  }

  static std::shared_ptr<arrow::DataType> Time() {
    return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  }

  ManualClock clock_{100 * kHour};
  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-test-" + NewUuid())).string();
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<FeatureTables> tables_;
  std::unique_ptr<FeatureViews> views_;
};

/// Flights of a few airports with the weather at their origin: flight number, departure, origin,
/// carrier, distance, and whether late; weather as of each hour, seen for three hours.
class FlightsProject : public TestProject {
 protected:
  void SetUp() override {
    TestProject::SetUp();
    FeatureGroupDefinition flights{.name = "flights"};
    flights.primary_key = {"flight"};
    flights.event_time = "departure";
    FeatureGroupDefinition weather{.name = "weather"};
    weather.primary_key = {"origin"};
    weather.event_time = "hour";
    weather.ttl_us = 3 * kHour;
    ASSERT_TRUE(tables_->Define(flights).ok());
    ASSERT_TRUE(tables_->Define(weather).ok());
  }

  static arrow::FieldVector FlightFields() {
    return {arrow::field("flight", arrow::int64()),     arrow::field("departure", Time()),
            arrow::field("origin", arrow::utf8()),      arrow::field("carrier", arrow::utf8()),
            arrow::field("distance", arrow::float64()), arrow::field("late", arrow::int64())};
  }

  static arrow::FieldVector WeatherFields() {
    return {arrow::field("origin", arrow::utf8()), arrow::field("hour", Time()),
            arrow::field("temp", arrow::float64())};
  }

  /// One flight: [number, departure in microseconds, origin, carrier, distance, late].
  static std::string Flight(int64_t number, int64_t departure_us, const std::string& origin,
                            const std::string& carrier, double distance, int64_t late) {
    return "[" + std::to_string(number) + ", " + std::to_string(departure_us) + ", \"" + origin +
           "\", \"" + carrier + "\", " + std::to_string(distance) + ", " + std::to_string(late) +
           "]";
  }

  /// `count` flights, one an hour from hour 10 on, alternately from JFK and LGA with carriers AA,
  /// B6 and UA in turn and a distance of 100 times their number; every third is late.
  int64_t InsertFlights(int64_t count) {
    const char* carriers[] = {"AA", "B6", "UA"};
    std::string rows;
    for (int64_t i = 0; i < count; ++i) {
      rows += (i == 0 ? "" : ", ") + Flight(i, (10 + i) * kHour, i % 2 == 0 ? "JFK" : "LGA",
                                            carriers[i % 3], 100.0 * i, i % 3 == 0);
    }
    return Insert({"flights", 1}, TableOf(FlightFields(), "[" + rows + "]"));
  }

  /// The weather of JFK at 30 minutes past each of `hours`; its temperature is the hour.
  int64_t InsertWeather(const std::vector<int64_t>& hours) {
    std::string rows;
    for (const int64_t hour : hours) {
      rows += (rows.empty() ? "" : ", ") + std::string("[\"JFK\", ") +
              std::to_string(hour * kHour + kHour / 2) + ", " + std::to_string(hour) + "]";
    }
    return Insert({"weather", 1}, TableOf(WeatherFields(), "[" + rows + "]"));
  }

  static FeatureViewDefinition DelayView() {
    FeatureViewDefinition view{.name = "delay"};
    view.root = {.group = {"flights", 1}, .features = {"carrier", "distance", "late"}};
    view.joins = {{.group = {"weather", 1},
                   .features = {"temp"},
                   .on = {{"origin", "origin"}},
                   .prefix = "origin_"}};
    view.labels = {"late"};
    view.transformations = {{"standard_scaler", {"distance"}, {}},
                            {"one_hot_encoder", {"carrier"}, {}}};
    return view;
  }
};

}  // namespace tercet
