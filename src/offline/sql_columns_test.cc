#include "offline/sql_columns.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/parallel.h"

namespace tercet {
namespace {

class SqlColumnsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    InitializeArrow();
    std::filesystem::create_directories(root_);
    catalog_ = Catalog::Open(JoinPath(root_, "catalog.sqlite"), &clock_).ValueOrDie();
    tables_ = std::make_unique<FeatureTables>(catalog_.get(), LocalFileSystem(), root_, &clock_);
    Define("weather", {"city", "rain", "wind", "hours"});
    Define("rides", {"ride", "city", "distance"});
  }
  void TearDown() override {
    tables_.reset();
    catalog_.reset();
    std::filesystem::remove_all(root_);
  }

  void Define(const std::string& name, const std::vector<std::string>& columns) {
    FeatureGroupDefinition group{.name = name};
    group.primary_key = {columns[0]};
    arrow::FieldVector fields;
    for (const std::string& column : columns) {
      fields.push_back(arrow::field(column, arrow::int64()));
    }
    group.schema = arrow::schema(fields);
    ASSERT_TRUE(tables_->Define(group).ok());
  }

  /// "a: weather.rain weather.wind; rows: weather.city"
  std::string Found(const std::string& query) {
    const auto found = FindSqlColumns(tables_.get(), query, {});
    if (!found.ok()) return found.status().ToString();
    std::string text;
    const auto add = [&](const std::string& name, const std::set<GroupColumn>& columns) {
      text += (text.empty() ? "" : "; ") + name + ":";
      for (const auto& [group, column] : columns) {
        text += " " + group.substr(0, group.find('@')) + "." + column;
      }
    };
    for (const auto& [name, columns] : found->columns) add(name, columns);
    add("rows", found->rows);
    return text;
  }

  ManualClock clock_{1};
  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-sqlcolumns-" + NewUuid())).string();
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<FeatureTables> tables_;
};

TEST_F(SqlColumnsTest, FollowsExpressionsAndRenames) {
  EXPECT_EQ(Found("SELECT city, rain + wind AS wet, 1 AS one FROM weather"),
            "city: weather.city; one: weather.city; wet: weather.rain weather.wind; rows:");
}

TEST_F(SqlColumnsTest, TellsValuesFromWhatDecidesOnRows) {
  EXPECT_EQ(Found("SELECT city, max(rain) AS most FROM weather WHERE wind > 3 GROUP BY city"),
            "city: weather.city weather.wind; most: weather.rain; "
            "rows: weather.city weather.wind");
}

TEST_F(SqlColumnsTest, FollowsJoinsAndSubqueries) {
  EXPECT_EQ(Found("WITH wet AS (SELECT city AS place, rain * 2 AS twice FROM weather) "
                  "SELECT ride, distance, twice FROM rides JOIN wet ON rides.city = wet.place"),
            "distance: rides.distance; ride: rides.ride; twice: weather.rain; "
            "rows: rides.city weather.city");
}

TEST_F(SqlColumnsTest, ErrorsAreThoseOfTheQuery) {
  EXPECT_THAT(Found("SELECT x FROM wether"), testing::HasSubstr("did you mean 'weather'"));
}

}  // namespace
}  // namespace tercet
