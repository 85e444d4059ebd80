#include "offline/sql_query.h"

#include <gmock/gmock.h>

#include "offline/sql_feature_tables.h"
#include "offline/sql_time_ranges.h"
#include "offline/sql_watermark.h"
#include "offline/table_test_rows.h"
#include "source/sql_session.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;

class SqlQueryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    catalog_ = Value(Catalog::Open(folder_.Join("catalog.sqlite"), &clock_));
    tables_ = std::make_unique<FeatureTables>(catalog_.get(), LocalFileSystem(), folder_.path(),
                                              &clock_);
    Define("weather", 1);
    Write("weather@1", R"([{"city": "Oslo", "hour": "2024-01-01T00:00:00Z", "rain": 1},
                           {"city": "Oslo", "hour": "2024-01-01T01:00:00Z", "rain": 2},
                           {"city": "Rome", "hour": "2024-01-01T00:00:00Z", "rain": 3}])");
  }

  void Define(const std::string& name, int64_t version) {
    FeatureGroupDefinition group;
    group.name = name;
    group.version = version;
    group.primary_key = {"city"};
    group.event_time = "hour";
    group.schema = schema_;
    ASSERT_OK(tables_->Define(group));
  }

  Commit Write(const std::string& group, const std::string& rows,
               InsertMode mode = InsertMode::kUpsert) {
    clock_.Advance(kSecond);
    const auto table = Value(tables_->Get(Value(Ref::Parse(group))));
    return Value(table->Write(Reader({Rows(schema_, rows)}),
                              {.mode = mode, .idempotency_key = next_key_}));
  }

  Result<std::string> Run(const std::string& query, const SqlQueryOptions& options = {}) {
    ARROW_ASSIGN_OR_RAISE(const SqlQueryAnswer answer, QuerySql(tables_.get(), query, options));
    ARROW_ASSIGN_OR_RAISE(const auto table, answer.rows->ToTable());
    pins_ = answer.pins;
    if (table->num_rows() == 0) return "nothing";
    ARROW_ASSIGN_OR_RAISE(const auto value, table->column(0)->GetScalar(0));
    return value->ToString();
  }

  const std::shared_ptr<arrow::Schema> schema_ =
      arrow::schema({arrow::field("city", arrow::utf8()),
                     arrow::field("hour", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                     arrow::field("rain", arrow::float64())});
  TestFolder folder_;
  ManualClock clock_{1'700'000'000 * kSecond};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<FeatureTables> tables_;
  std::map<std::string, int64_t> pins_;
  std::string next_key_;
};

TEST_F(SqlQueryTest, NamesGroupsByVersion) {
  Define("weather", 2);
  Write("weather@2", R"([{"city": "Oslo", "hour": "2024-01-01T00:00:00Z", "rain": 50}])");
  EXPECT_EQ(Value(Run("select sum(rain) from weather")), "50");
  EXPECT_EQ(pins_, (std::map<std::string, int64_t>{{"weather@2", 1}}));
  EXPECT_EQ(Value(Run("select sum(rain) from weather_1")), "6");
  EXPECT_EQ(Value(Run("select sum(w.rain) from \"weather@1\" w")), "6");
  EXPECT_EQ(Value(Run("select sum(weather.rain) from weather")), "50");
  EXPECT_EQ(Value(Run("select sum(a.rain * b.rain) from weather_1 a join weather_2 b "
                      "using (city, hour)")),
            "50");
  Status status = Run("select * from wether").status();
  EXPECT_TRUE(status.IsKeyError()) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("did you mean 'weather'"));
  status = Run("select * from weather_3").status();
  EXPECT_TRUE(status.IsKeyError()) << status.ToString();
}

TEST_F(SqlQueryTest, ShowsTheRowsThatWin) {
  Write("weather@1", R"([{"city": "Oslo", "hour": "2024-01-01T00:00:00Z", "rain": 10}])");
  EXPECT_EQ(Value(Run("select sum(rain) from weather")), "15");
  Write("weather@1", R"([{"city": "Rome", "hour": "2024-01-01T00:00:00Z", "rain": 30}])",
        InsertMode::kAppend);
  EXPECT_EQ(Value(Run("select sum(rain) from weather")), "42");
  EXPECT_EQ(Value(Run("select count(*) from weather")), "3");
}

TEST_F(SqlQueryTest, ReadsAsOf) {
  const Commit second =
      Write("weather@1", R"([{"city": "Oslo", "hour": "2024-01-01T00:00:00Z", "rain": 10}])");
  EXPECT_EQ(Value(Run("select sum(rain) from weather", {.versions = {{"weather@1", 1}}})), "6");
  EXPECT_EQ(Value(Run("select sum(rain) from weather",
                      {.as_of_us = second.commit_time_us - 1})),
            "6");
  EXPECT_EQ(Value(Run("select (select sum(rain) from weather) - sum(rain) from "
                      "feature_group('weather', as_of := 1)")),
            "9");
  EXPECT_EQ(Value(Run("select sum(rain) from feature_group('weather@1', as_of := '2200-01-01')")),
            "15");
  EXPECT_TRUE(Run("from feature_group('weather', as_of := 99)").status().IsKeyError());
  const Status at = Run("select * from weather at (version => 1)").status();
  EXPECT_THAT(at.message(), HasSubstr("as_of :="));
}

TEST_F(SqlQueryTest, EventTimesThatTheQueryRulesOutAreNotRead) {
  const auto ranges = [&](const std::string& query) {
    const auto tables = std::make_shared<SqlFeatureTables>(
        tables_.get(), std::map<std::string, int64_t>{}, std::nullopt);
    const auto session = Value(SqlSession::Open(tables, {}));
    const auto tree = Value(ParseJson(*Value(session->Tree(query)), {.max_depth = 512}));
    std::string text;
    const auto found = Value(FindTimeRanges(
        tree, {{"watermark", 1'704'067'200 * kSecond}},
        [&](const std::string& name) { return tables->EventTimeOf(name); }));
    for (const auto& [name, range] : found) {
      const SqlTimeRange all;
      text += name + (range.start_us == all.start_us ? " [" : " [bounded") + " " +
              (range.end_us == all.end_us ? ")" : "bounded)");
    }
    return text;
  };
  const std::string both = "weather [bounded bounded)", none = "weather [ )",
                    start = "weather [bounded )", end = "weather [ bounded)";
  EXPECT_EQ(ranges("from weather where hour >= '2024-01-01' and hour < '2024-01-02'"), both);
  EXPECT_EQ(ranges("from weather w where w.hour between '2024-01-01' and timestamp '2024-01-02'"),
            both);
  EXPECT_EQ(ranges("from weather where '2024-01-02' > HOUR"), end);
  EXPECT_EQ(ranges("from weather where hour > $watermark and rain > 2"), start);
  EXPECT_EQ(ranges("from weather where hour = '2024-01-01'"), both);
  EXPECT_EQ(ranges("from weather where hour > '2024-01-01' or rain > 2"), none);
  EXPECT_EQ(ranges("from weather where not hour > '2024-01-01'"), end);
  EXPECT_EQ(ranges("from weather where not (hour > '2024-01-01' and rain > 2)"), none);
  EXPECT_EQ(ranges("from weather where hour > '2024-01-01+02:00'"), none);
  EXPECT_EQ(ranges("from weather where hour > (select max(hour) from weather)"), none);
  EXPECT_EQ(ranges("from weather"), none);
  // Both mentions must be bounded.
  EXPECT_EQ(ranges("select (select count(*) from weather) from weather where hour > '2024-01-01'"),
            none);
  EXPECT_EQ(ranges("with w as (from weather where hour > '2024-01-01') from w"),
            "w [ )weather [bounded )");
  // Which row an as-of join finds depends on all of them.
  EXPECT_EQ(ranges("from weather a asof join weather b on a.city = b.city and a.hour >= b.hour "
                   "where b.hour < '2024-01-01'"),
            none);
  EXPECT_EQ(ranges("from (select 1 as hour) t semi join weather using (hour) "
                   "where hour > '2024-01-01'"),
            none);
  EXPECT_EQ(ranges("from weather where hour > '2024-01-01' using sample 10%"), none);
  EXPECT_EQ(ranges("select (select count(*) from feature_group('weather')) from weather "
                   "where hour > '2024-01-01'"),
            "");
}

TEST_F(SqlQueryTest, AnswersAreThoseOfReadingAll) {
  for (const std::string where :
       {"hour >= '2024-01-01 01:00'", "hour < '2024-01-01T01:00:00'", "hour = '2024-01-01'",
        "hour between '2024-01-01 00:30' and '2024-01-01 02:00'", "hour <= date '2024-01-01'"}) {
    // A cast that the time ranges don't look into reads all.
    std::string all = where;
    all.replace(0, 4, "(hour + interval 0 second)");
    EXPECT_EQ(Value(Run("select list(rain order by rain) from weather where " + where)),
              Value(Run("select list(rain order by rain) from weather where " + all)))
        << where;
  }
}

TEST_F(SqlQueryTest, AWatermarkIsTheLargest) {
  const auto table = Value(tables_->Get({"weather", 1}));
  EXPECT_EQ(Value(LastWatermark(table.get(), "daily")), std::nullopt);
  for (const int64_t time : {5, 90, 70}) {
    next_key_ = WatermarkKey("daily", time);
    Write("weather@1", R"([{"city": "Oslo", "hour": "2024-01-01T00:00:00Z", "rain": 1}])");
  }
  next_key_ = WatermarkKey("daily up to 7", 100);
  Write("weather@1", R"([{"city": "Oslo", "hour": "2024-01-01T00:00:00Z", "rain": 1}])");
  EXPECT_EQ(Value(LastWatermark(table.get(), "daily")), 90);
}

}  // namespace
}  // namespace tercet
