#include "feature/sql_step.h"

#include <filesystem>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/parallel.h"
#include "base/time_text.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

constexpr char kStep[] = R"(-- Rain by day, for people.
-- target: daily@1
-- primary_key: city
-- event_time: day
-- watermark: day

select city, date_trunc('day', hour) as day, sum(rain) as rain
from weather group by all;
)";

class SqlStepTest : public ::testing::Test {
 protected:
  SqlStepTest()
      : directory_(std::filesystem::temp_directory_path() / ("tercet-step-" + NewUuid())) {
    InitializeArrow();
    std::filesystem::create_directories(directory_);
    catalog_ = Catalog::Open(directory_ + "/catalog.sqlite", &clock_).ValueOrDie();
    tables_ =
        std::make_unique<FeatureTables>(catalog_.get(), LocalFileSystem(), directory_, &clock_);
    online_ = OnlineAccess::Make(directory_ + "/online", &clock_,
                                 [](OnlineStore*, const Ref&, int64_t) { return Status::OK(); })
                  .ValueOrDie();
    ingest_ = std::make_unique<Ingest>(tables_.get(), online_.get());
    FeatureGroupDefinition weather;
    weather.name = "weather";
    weather.primary_key = {"city"};
    weather.event_time = "hour";
    weather.schema = schema_;
    EXPECT_TRUE(tables_->Define(weather).ok());
  }
  ~SqlStepTest() override {
    ingest_.reset();
    online_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Insert(const std::string& rows) {
    clock_.Advance(1'000'000);
    const auto array =
        arrow::json::ArrayFromJSONString(arrow::struct_(schema_->fields()), rows).ValueOrDie();
    const auto batch = arrow::RecordBatch::FromStructArray(array).ValueOrDie();
    const auto reader = arrow::RecordBatchReader::Make({batch}, schema_).ValueOrDie();
    ASSERT_TRUE(ingest_->Insert({"weather", 1}, reader, {}).ok());
  }

  Result<SqlStepResult> Run(const std::string& text) {
    clock_.Advance(1'000'000);
    ARROW_ASSIGN_OR_RAISE(const SqlStep step, SqlStep::Parse(text));
    return RunSqlStep(tables_.get(), ingest_.get(), step, {});
  }

  size_t Commits() {
    return tables_->Get({"daily", 1}).ValueOrDie()->Commits().ValueOrDie().size();
  }

  const std::shared_ptr<arrow::Schema> schema_ =
      arrow::schema({arrow::field("city", arrow::utf8()),
                     arrow::field("hour", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                     arrow::field("rain", arrow::float64())});
  const std::string directory_;
  ManualClock clock_{1'700'000'000'000'000};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<FeatureTables> tables_;
  std::unique_ptr<OnlineAccess> online_;
  std::unique_ptr<Ingest> ingest_;
};

TEST_F(SqlStepTest, ReadsAHeader) {
  const SqlStep step = SqlStep::Parse(kStep).ValueOrDie();
  EXPECT_EQ(step.target.ref(), (Ref{"daily", 1}));
  EXPECT_EQ(step.target.primary_key, std::vector<std::string>{"city"});
  EXPECT_EQ(step.name, "daily");
  EXPECT_EQ(step.watermark, "day");
  EXPECT_THAT(step.query, ::testing::EndsWith("group by all"));
  const auto error = [](const std::string& text) {
    return SqlStep::Parse(text).status().message();
  };
  EXPECT_THAT(error("select 1"), HasSubstr("-- target: GROUP"));
  EXPECT_THAT(error("-- target: a\n"), HasSubstr("no query"));
  EXPECT_THAT(error("-- target: a\n-- mod: append\nselect 1"), HasSubstr("did you mean 'mode'"));
  EXPECT_THAT(error("-- target: a\n-- mode: apend\nselect 1"), HasSubstr("did you mean 'append'"));
  EXPECT_THAT(error("-- target: a\n-- mode: overwrite\n-- watermark: t\nselect 1"),
              HasSubstr("in place of all"));
  // A comment behind the query's beginning is no header.
  EXPECT_TRUE(SqlStep::Parse("-- target: a\nselect 1\n-- mod: x").ok());
}

TEST_F(SqlStepTest, TakesOnlyWhatIsPastTheWatermark) {
  Insert(R"([{"city": "Oslo", "hour": "2024-01-01T03:00:00Z", "rain": 1},
             {"city": "Oslo", "hour": "2024-01-02T03:00:00Z", "rain": 2}])");
  SqlStepResult result = Run(kStep).ValueOrDie();
  EXPECT_EQ(result.rows, 2);
  EXPECT_EQ(FormatTime(result.watermark_us.value_or(0)), "2024-01-02T00:00:00Z");
  EXPECT_EQ(result.pins, (std::map<std::string, int64_t>{{"weather@1", 1}}));
  const size_t commits = Commits();

  result = Run(kStep).ValueOrDie();
  EXPECT_EQ(result.rows, 0);
  EXPECT_EQ(Commits(), commits);
  EXPECT_EQ(result.commit.version, static_cast<int64_t>(commits) - 1);

  // A change of what was taken is not seen, a later day is.
  Insert(R"([{"city": "Oslo", "hour": "2024-01-01T05:00:00Z", "rain": 100},
             {"city": "Oslo", "hour": "2024-01-03T05:00:00Z", "rain": 3}])");
  result = Run(kStep).ValueOrDie();
  EXPECT_EQ(result.rows, 1);
  EXPECT_EQ(result.commit.rows_inserted, 1);
  EXPECT_EQ(FormatTime(result.watermark_us.value_or(0)), "2024-01-03T00:00:00Z");
}

TEST_F(SqlStepTest, GivesTheQueryTheWatermark) {
  Insert(R"([{"city": "Oslo", "hour": "2024-01-01T03:00:00Z", "rain": 1}])");
  const std::string text =
      "-- target: daily@1\n-- primary_key: city\n-- event_time: hour\n-- watermark: hour\n"
      "select city, hour, year($watermark) as seen from weather where hour > $watermark";
  ASSERT_EQ(Run(text).ValueOrDie().rows, 1);
  Insert(R"([{"city": "Oslo", "hour": "2024-02-01T03:00:00Z", "rain": 1}])");
  ASSERT_EQ(Run(text).ValueOrDie().rows, 1);
  const auto head = tables_->Get({"daily", 1}).ValueOrDie()->Head().ValueOrDie();
  const auto rows = head->Scan({.columns = {"seen"}}).ValueOrDie()->ToTable().ValueOrDie();
  EXPECT_EQ(rows->column(0)->GetScalar(0).ValueOrDie()->ToString(), "1");
  EXPECT_EQ(rows->column(0)->GetScalar(1).ValueOrDie()->ToString(), "2024");
}

TEST_F(SqlStepTest, WithoutAWatermarkTheSameIsNotWrittenTwice) {
  Insert(R"([{"city": "Oslo", "hour": "2024-01-01T03:00:00Z", "rain": 1}])");
  std::string text = kStep;
  text.erase(text.find("-- watermark"), text.find("\n\n") - text.find("-- watermark"));
  EXPECT_EQ(Run(text).ValueOrDie().rows, 1);
  const size_t commits = Commits();
  EXPECT_EQ(Run(text).ValueOrDie().rows, 0);
  EXPECT_EQ(Commits(), commits);
  Insert(R"([{"city": "Oslo", "hour": "2024-01-01T04:00:00Z", "rain": 4}])");
  EXPECT_EQ(Run(text).ValueOrDie().commit.rows_updated, 1);
}

TEST_F(SqlStepTest, AFailureWritesNothing) {
  Insert(R"([{"city": "Oslo", "hour": "2024-01-01T03:00:00Z", "rain": 1}])");
  std::string text = kStep;
  text.replace(text.find("sum(rain)"), 9, "sum(rein)");
  EXPECT_THAT(Run(text).status().message(), HasSubstr("\"rein\" not found"));
  text = kStep;
  text.replace(text.find("-- watermark: day"), 17, "-- watermark: hour");
  EXPECT_FALSE(Run(text).ok());
  EXPECT_TRUE(tables_->Get({"daily", 1}).status().IsKeyError());
}

}  // namespace
}  // namespace tercet
