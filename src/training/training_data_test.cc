#include "training/training_data.h"

#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/test_catalog.h"
#include "compute/transformation.h"
#include "view/test_project.h"

namespace tercet {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename ArrayType>
const ArrayType& Column(const std::shared_ptr<arrow::Table>& table, const std::string& name) {
  const auto column = table->GetColumnByName(name);
  EXPECT_NE(column, nullptr) << name << " of " << table->schema()->ToString();
  EXPECT_EQ(column->num_chunks(), 1);
  return static_cast<const ArrayType&>(*column->chunk(0));
}

std::vector<int64_t> Flights(const TrainingPart& part) {
  const auto& numbers = Column<arrow::Int64Array>(part.keys, "flight");
  return {numbers.raw_values(), numbers.raw_values() + numbers.length()};
}

class TrainingDataTest : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    training_ = std::make_unique<TrainingData>(catalog_.get(), tables_.get(), LocalFileSystem(),
                                               root_, &clock_);
  }

  /// Weather of every other hour, so that some rows see one that is an hour old.
  std::vector<int64_t> WeatherHours() const { return {9, 11, 13, 15, 17, 25, 27}; }

  void FillIn() {
    InsertFlights(20);
    InsertWeather(WeatherHours());
    ASSERT_TRUE(views_->Define(DelayView()).ok());
  }

  static SplitDefinition AtHour(int64_t hour) {
    SplitDefinition split{.method = SplitDefinition::Method::kTime};
    split.boundaries = {{"train", hour * kHour}, {"test", std::nullopt}};
    return split;
  }

  std::vector<std::string> SpineFiles() const {
    std::vector<std::string> files;
    const std::string folder = root_ + "/training_datasets";
    if (!std::filesystem::exists(folder)) return files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(entry.path().string());
    }
    return files;
  }

  std::unique_ptr<TrainingData> training_;
};

TEST_F(TrainingDataTest, ARowSeesTheLatestValueBeforeItsOwnTimeAndNoneLater) {
  FillIn();
  const TrainingDataset dataset = training_->Create({"delay", 0}, {}).ValueOrDie();
  ASSERT_EQ(dataset.parts.size(), 1);
  const TrainingPart& part = dataset.parts[0];
  EXPECT_EQ(part.name, "train");
  ASSERT_EQ(part.features->num_rows(), 20);
  const auto& temp = Column<arrow::DoubleArray>(part.features, "origin_temp");
  const auto& numbers = Column<arrow::Int64Array>(part.keys, "flight");
  for (int64_t row = 0; row < 20; ++row) {
    const int64_t departure_us = (10 + numbers.Value(row)) * kHour;
    std::optional<double> expected;
    if (numbers.Value(row) % 2 == 0) {
      for (const int64_t hour : WeatherHours()) {
        const int64_t time_us = hour * kHour + kHour / 2;
        if (time_us <= departure_us && departure_us - time_us <= 3 * kHour) {
          expected = static_cast<double>(hour);
        }
      }
    }
    ASSERT_EQ(temp.IsValid(row), expected.has_value()) << "flight " << numbers.Value(row);
    if (expected) {
      EXPECT_EQ(temp.Value(row), *expected);
    }
  }
}

TEST_F(TrainingDataTest, ParametersAndScalingComeFromTheTrainingPartOnly) {
  FillIn();
  // Flights 0 to 3 are trained on: distances 0 to 300, carriers AA, B6, UA, AA.
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.split = AtHour(14)}).ValueOrDie();
  ASSERT_EQ(dataset.parts.size(), 2);
  EXPECT_THAT(Flights(dataset.parts[0]), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(dataset.definition.rows.at("train"), 4);
  EXPECT_EQ(dataset.definition.rows.at("test"), 16);
  const double mean = 150, deviation = std::sqrt(12500.0);
  const auto& trained = Column<arrow::DoubleArray>(dataset.parts[0].features, "distance");
  const auto& tested = Column<arrow::DoubleArray>(dataset.parts[1].features, "distance");
  for (int i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(trained.Value(i), (100.0 * i - mean) / deviation);
  EXPECT_DOUBLE_EQ(tested.Value(15), (1900 - mean) / deviation);
}

TEST_F(TrainingDataTest, ACategoryThatTrainingNeverSawGetsNoColumn) {
  FillIn();
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.split = AtHour(12)}).ValueOrDie();
  EXPECT_THAT(dataset.parts[1].features->schema()->field_names(),
              ElementsAre("carrier_AA", "carrier_B6", "distance", "origin_temp"));
}

TEST_F(TrainingDataTest, ALaterPartNamedTrainIsTheOneToFitOn) {
  FillIn();
  SplitDefinition split{.method = SplitDefinition::Method::kTime};
  split.boundaries = {{"test", 28 * kHour}, {"train", std::nullopt}};
  const TrainingDataset dataset = training_->Create({"delay", 1}, {.split = split}).ValueOrDie();
  // Flights 18 and 19: distances 1800 and 1900.
  EXPECT_DOUBLE_EQ(Column<arrow::DoubleArray>(dataset.parts[1].features, "distance").Value(0), -1);
}

TEST_F(TrainingDataTest, StatisticsAreOfRawFeaturesAndLabels) {
  FillIn();
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.split = AtHour(14)}).ValueOrDie();
  const json::object& train = dataset.definition.statistics.at("train").as_object();
  EXPECT_EQ(train.at("distance").at("mean").to_number<double>(), 150);
  EXPECT_EQ(train.at("late").at("count").to_number<int64_t>() +
                train.at("late").at("nulls").to_number<int64_t>(),
            4);
  EXPECT_TRUE(train.contains("carrier"));
}

TEST_F(TrainingDataTest, ItIsRebuiltByteForByteAfterLaterCommitsAndCompaction) {
  FillIn();
  SplitDefinition split{.method = SplitDefinition::Method::kRandom};
  split.parts = {{"train", 0.6}, {"validation", 0.2}, {"test", 0.2}};
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.split = split, .seed = 7}).ValueOrDie();
  // History that arrives late, a correction of what was read, new rows, and merged files.
  InsertWeather({10, 12, 14, 16});
  Insert({"weather", 1}, TableOf(WeatherFields(), "[[\"JFK\", " +
                                     std::to_string(9 * kHour + kHour / 2) + ", 99]]"));
  InsertFlights(30);
  ASSERT_TRUE(tables_->Get({"weather", 1}).ValueOrDie()->Compact().ok());
  ASSERT_TRUE(tables_->Get({"flights", 1}).ValueOrDie()->Compact().ok());

  const TrainingDataset again = training_->Rebuild({"delay@1", 1}).ValueOrDie();
  ASSERT_EQ(again.parts.size(), 3);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(again.parts[i].features->Equals(*dataset.parts[i].features));
    EXPECT_TRUE(again.parts[i].labels->Equals(*dataset.parts[i].labels));
    EXPECT_TRUE(again.parts[i].keys->Equals(*dataset.parts[i].keys));
  }
  const TrainingDataset later =
      training_->Create({"delay", 1}, {.split = split, .seed = 7}).ValueOrDie();
  EXPECT_EQ(later.definition.version, 2);
  EXPECT_NE(later.definition.sha256, dataset.definition.sha256);
}

class SpineTest : public TrainingDataTest {
 protected:
  static arrow::FieldVector SpineFields() {
    return {arrow::field("origin", arrow::utf8()), arrow::field("departure", Time()),
            arrow::field("carrier", arrow::utf8()), arrow::field("distance", arrow::float64()),
            arrow::field("late", arrow::int64()), arrow::field("flight", arrow::int64())};
  }

  /// Not ordered, with a row that comes twice, and one that no weather is known for.
  static std::shared_ptr<arrow::Table> Spine() {
    const auto row = [](int64_t hour, const char* origin, int late, int64_t flight) {
      return "[\"" + std::string(origin) + "\", " + std::to_string(hour * kHour) + ", \"AA\", 5, " +
             std::to_string(late) + ", " + std::to_string(flight) + "]";
    };
    return TableOf(SpineFields(), "[" + row(18, "JFK", 1, 3) + ", " + row(10, "JFK", 0, 1) + ", " +
                                      row(18, "JFK", 1, 3) + ", " + row(12, "EWR", 0, 2) + "]");
  }
};

TEST_F(SpineTest, EveryRowComesBackOnceInItsOrder) {
  FillIn();
  FeatureViewDefinition view = DelayView();
  view.version = 2;
  view.transformations.clear();
  ASSERT_TRUE(views_->Define(view).ok());
  const TrainingDataset dataset =
      training_->Create({"delay", 2}, {.spine = Spine()}).ValueOrDie();
  const TrainingPart& part = dataset.parts[0];
  const auto& late = Column<arrow::Int64Array>(part.labels, "late");
  const auto& temp = Column<arrow::DoubleArray>(part.features, "origin_temp");
  ASSERT_EQ(late.length(), 4);
  EXPECT_EQ(late.Value(0), 1);
  EXPECT_EQ(late.Value(1), 0);
  EXPECT_EQ(late.Value(2), 1);
  EXPECT_EQ(temp.Value(0), 17);
  EXPECT_EQ(temp.Value(1), 9);
  EXPECT_EQ(temp.Value(2), 17);
  EXPECT_TRUE(temp.IsNull(3));
}

TEST_F(SpineTest, ASpineIsKeptForTheRebuild) {
  FillIn();
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.spine = Spine()}).ValueOrDie();
  EXPECT_TRUE(dataset.definition.has_spine);
  InsertWeather({10, 12, 14, 16});
  const TrainingDataset again = training_->Rebuild({"delay@1", 0}).ValueOrDie();
  EXPECT_TRUE(again.parts[0].features->Equals(*dataset.parts[0].features));
  EXPECT_EQ(SpineFiles().size(), 1);
  ASSERT_TRUE(training_->Drop({"delay@1", 1}).ok());
  EXPECT_TRUE(SpineFiles().empty());
}

TEST_F(SpineTest, ACorruptOrLostSpineIsAnErrorThatNamesIt) {
  FillIn();
  ASSERT_TRUE(training_->Create({"delay", 1}, {.spine = Spine()}).ok());
  const std::vector<std::string> files = SpineFiles();
  ASSERT_EQ(files.size(), 1);
  {
    std::fstream file(files[0], std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('!');
  }
  Status refused = training_->Rebuild({"delay@1", 1}).status();
  EXPECT_TRUE(refused.IsIOError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr(files[0]));
  EXPECT_THAT(refused.message(), HasSubstr("corrupt"));
  std::filesystem::resize_file(files[0], 10);
  EXPECT_TRUE(training_->Rebuild({"delay@1", 1}).status().IsIOError());
  std::filesystem::remove(files[0]);
  refused = training_->Rebuild({"delay@1", 1}).status();
  EXPECT_TRUE(refused.IsIOError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr(files[0]));
}

TEST_F(TrainingDataTest, ARebuildThatDiffersNamesThePart) {
  FillIn();
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.split = AtHour(14)}).ValueOrDie();
  TrainingDatasetDefinition forged = dataset.definition;
  forged.sha256["test"] = std::string(64, '0');
  ASSERT_TRUE(catalog_->Put(Kind::kTrainingDataset, {"delay@1", 0}, forged.ToJson(), {}).ok());
  const Status refused = training_->Rebuild({"delay@1", 2}).status();
  EXPECT_TRUE(refused.IsIOError()) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("part 'test'"));
}

TEST_F(TrainingDataTest, VersionsCountWithinTheirView) {
  FillIn();
  FeatureViewDefinition second = DelayView();
  second.version = 2;
  ASSERT_TRUE(views_->Define(second).ok());
  EXPECT_EQ(training_->Create({"delay", 1}, {}).ValueOrDie().definition.version, 1);
  EXPECT_EQ(training_->Create({"delay", 1}, {}).ValueOrDie().definition.version, 2);
  EXPECT_EQ(training_->Create({"delay", 0}, {}).ValueOrDie().definition.version, 1);
  EXPECT_EQ(training_->Get({"delay@1", 0}).ValueOrDie().version, 2);
  EXPECT_EQ(training_->Get({"delay", 0}).ValueOrDie().view.version, 2);
  EXPECT_EQ(training_->List(std::nullopt).ValueOrDie().size(), 3);
  EXPECT_EQ(training_->List(Ref{"delay", 1}).ValueOrDie().size(), 2);
  EXPECT_EQ(training_->List(Ref{"delay", 0}).ValueOrDie().size(), 3);
  const Status refused = views_->Drop({"delay", 2});
  EXPECT_TRUE(refused.IsInvalid()) << refused;
  ASSERT_TRUE(training_->Drop({"delay@2", 1}).ok());
  EXPECT_TRUE(views_->Drop({"delay", 2}).ok());
  EXPECT_TRUE(training_->Get({"delay@1", 3}).status().IsKeyError());
}

TEST_F(TrainingDataTest, DatasetsMadeAtOnceHaveVersionsOfTheirOwn) {
  FillIn();
  std::vector<std::thread> makers;
  for (int i = 0; i < 4; ++i) {
    makers.emplace_back([&] { EXPECT_TRUE(training_->Create({"delay", 1}, {}).ok()); });
  }
  for (std::thread& maker : makers) maker.join();
  const auto datasets = training_->List(Ref{"delay", 1}).ValueOrDie();
  ASSERT_EQ(datasets.size(), 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(datasets[i].version, i + 1);
    EXPECT_EQ(datasets[i].sha256, datasets[0].sha256);
  }
}

TEST_F(TrainingDataTest, AFailureRegistersNothing) {
  FillIn();
  const Status empty = training_->Create({"delay", 1}, {.split = AtHour(1)}).status();
  EXPECT_TRUE(empty.IsInvalid()) << empty;
  EXPECT_THAT(empty.message(), HasSubstr("part 'train' has no rows"));
  SplitDefinition half{.method = SplitDefinition::Method::kRandom};
  half.parts = {{"train", 0.5}};
  EXPECT_TRUE(training_->Create({"delay", 1}, {.split = half}).status().IsInvalid());
  const Status unknown = training_->Create({"dely", 0}, {}).status();
  EXPECT_TRUE(unknown.IsKeyError());
  EXPECT_THAT(unknown.message(), HasSubstr("did you mean 'delay'?"));
  EXPECT_TRUE(training_->List(std::nullopt).ValueOrDie().empty());
  EXPECT_TRUE(SpineFiles().empty());
}

/// A catalog whose disk fails once an entry is there.
class TornCatalog : public PassingCatalog {
 public:
  using PassingCatalog::PassingCatalog;
  Result<CatalogEntry> Put(Kind kind, const Ref& ref, const json::object& definition,
                           const std::vector<NounRef>& depends_on) override {
    ARROW_RETURN_NOT_OK(PassingCatalog::Put(kind, ref, definition, depends_on).status());
    return Status::IOError("the disk is gone");
  }
};

TEST_F(SpineTest, StaysWhereItsDatasetMayBeRegistered) {
  FillIn();
  TornCatalog torn(catalog_.get());
  TrainingData training(&torn, tables_.get(), LocalFileSystem(), root_, &clock_);
  EXPECT_TRUE(training.Create({"delay", 1}, {.spine = Spine()}).status().IsIOError());
  EXPECT_EQ(training_->List(Ref{"delay", 1}).ValueOrDie().size(), 1);
  EXPECT_TRUE(training_->Rebuild({"delay@1", 1}).ok());
}

TEST_F(TrainingDataTest, ARangeOfTimeTakesItsRowsOnly) {
  FillIn();
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.start_us = 12 * kHour, .end_us = 15 * kHour})
          .ValueOrDie();
  EXPECT_THAT(Flights(dataset.parts[0]), ElementsAre(2, 3, 4));
}

TEST_F(TrainingDataTest, ProgressEndsAtOne) {
  FillIn();
  std::mutex mutex;
  std::vector<double> told;
  const auto progress = [&](double fraction) {
    std::lock_guard lock(mutex);
    told.push_back(fraction);
  };
  ASSERT_TRUE(training_->Create({"delay", 1}, {.progress = progress}).ok());
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), 1);
  EXPECT_THAT(told, Each(::testing::AllOf(::testing::Ge(0), ::testing::Le(1))));
}

}  // namespace
}  // namespace tercet
