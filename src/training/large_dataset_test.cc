// Datasets of more rows than memory may hold: equal to those of a process that has room.
#include <sys/resource.h>

#include <array>
#include <csignal>

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include "training/dataset_files.h"
#include "training/training_data.h"
#include "view/test_project.h"

namespace tercet {
namespace {

class LargeDataset : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    training_ = std::make_unique<TrainingData>(catalog_.get(), tables_.get(), LocalFileSystem(),
                                               root_, &clock_);
  }

  /// More flights than a stored slice has rows, one after another and some without a distance.
  void FillIn(int64_t count) {
    arrow::Int64Builder flight, late;
    arrow::TimestampBuilder departure(Time(), arrow::default_memory_pool());
    arrow::StringBuilder origin, carrier;
    arrow::DoubleBuilder distance;
    for (int64_t i = 0; i < count; ++i) {
      EXPECT_TRUE(flight.Append(i).ok() && late.Append(i % 3 == 0).ok() &&
                  departure.Append((i * 7919 % 9000) * kHour / 4).ok() &&
                  origin.Append(std::array{"JFK", "LGA", "EWR"}[i % 3]).ok() &&
                  carrier.Append(std::array{"AA", "B6", "UA", "DL"}[i % 4]).ok());
      EXPECT_TRUE((i % 17 == 0 ? distance.AppendNull()
                               : distance.Append(static_cast<double>(i * 31 % 700)))
                      .ok());
    }
    Insert({"flights", 1},
           arrow::Table::Make(arrow::schema(FlightFields()),
                              {flight.Finish().ValueOrDie(), departure.Finish().ValueOrDie(),
                               origin.Finish().ValueOrDie(), carrier.Finish().ValueOrDie(),
                               distance.Finish().ValueOrDie(), late.Finish().ValueOrDie()}));
    InsertWeather({2, 30, 200, 201, 400, 1000});
  }

  static FeatureViewDefinition ChainedView() {
    FeatureViewDefinition view = DelayView();
    view.transformations = {{"standard_scaler", {"origin_temp"}, {}},
                            {"impute", {"distance"}, {}},
                            {"standard_scaler", {"distance"}, {}},
                            {"target_encoder", {"carrier"}, {}}};
    return view;
  }

  void ExpectSame(const TrainingDataset& tight, const TrainingDataset& roomy) {
    EXPECT_EQ(tight.definition.sha256, roomy.definition.sha256);
    EXPECT_EQ(tight.definition.rows, roomy.definition.rows);
    EXPECT_EQ(ToText(tight.definition.statistics), ToText(roomy.definition.statistics));
    EXPECT_EQ(ToText(tight.definition.fitted_transformations),
              ToText(roomy.definition.fitted_transformations));
    ASSERT_EQ(tight.parts.size(), roomy.parts.size());
    for (size_t i = 0; i < tight.parts.size(); ++i) {
      EXPECT_TRUE(tight.parts[i].features->Equals(*roomy.parts[i].features));
      EXPECT_TRUE(tight.parts[i].labels->Equals(*roomy.parts[i].labels));
      EXPECT_TRUE(tight.parts[i].helpers->Equals(*roomy.parts[i].helpers));
      EXPECT_TRUE(tight.parts[i].keys->Equals(*roomy.parts[i].keys));
    }
  }

  std::unique_ptr<TrainingData> training_;
};

TEST_F(LargeDataset, EqualsOneInMemory) {
  FillIn(150'000);
  ASSERT_TRUE(views_->Define(ChainedView()).ok());
  SplitDefinition random{.method = SplitDefinition::Method::kRandom};
  random.parts = {{"train", 0.7}, {"test", 0.3}};
  SplitDefinition by_time{.method = SplitDefinition::Method::kTime};
  by_time.boundaries = {{"train", 1000 * kHour}, {"test", std::nullopt}};
  for (const SplitDefinition& split : {SplitDefinition(), random, by_time}) {
    SCOPED_TRACE(ToText(split.ToJson()));
    const auto tight = training_->Create(
        {"delay", 1}, {.split = split, .seed = 3, .memory_limit_bytes = 1 << 20});
    ASSERT_TRUE(tight.ok()) << tight.status().ToString();
    const auto roomy = training_->Create({"delay", 1}, {.split = split, .seed = 3});
    ASSERT_TRUE(roomy.ok()) << roomy.status().ToString();
    EXPECT_GT((*tight).parts[0].features->column(0)->num_chunks(), 1);
    EXPECT_EQ((*roomy).parts[0].features->column(0)->num_chunks(), 1);
    ExpectSame(*tight, *roomy);
  }
}

TEST_F(LargeDataset, IsRebuiltEitherWay) {
  FillIn(80'000);
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  const auto made =
      training_->Create({"delay", 1}, {.memory_limit_bytes = 1 << 20}).ValueOrDie();
  FillIn(90'000);  // later commits
  for (const int64_t limit : {int64_t{1} << 20, int64_t{1} << 31}) {
    const auto again = training_->Rebuild({"delay@1", 1}, {.memory_limit_bytes = limit,
                                                           .progress = nullptr});
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    ExpectSame(*again, made);
  }
}

TEST_F(LargeDataset, FoldsAreEqual) {
  FillIn(70'000);
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  SplitDefinition split{.method = SplitDefinition::Method::kKFold};
  split.folds = 3;
  const auto tight = training_->Create(
      {"delay", 1}, {.split = split, .seed = 3, .memory_limit_bytes = 1 << 20});
  ASSERT_TRUE(tight.ok()) << tight.status().ToString();
  ExpectSame(*tight, training_->Create({"delay", 1}, {.split = split, .seed = 3}).ValueOrDie());
  ExpectSame(training_->Fold({"delay@1", 1}, 1, {.memory_limit_bytes = 1 << 20,
                                                 .progress = nullptr}).ValueOrDie(),
             training_->Fold({"delay@1", 1}, 1, {}).ValueOrDie());
}

TEST_F(LargeDataset, AFullDiskLeavesNoFile) {
  FillIn(20'000);
  ASSERT_TRUE(views_->Define(DelayView()).ok());
  const auto made = training_->Create({"delay", 1}, {}).ValueOrDie();
  const std::string folder = JoinPath(root_, "files");
  ASSERT_TRUE(SaveDataset(made, folder, "parquet").ok());
  // RLIMIT_FSIZE makes a write fail as a full disk does.
  rlimit unlimited;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{1000, unlimited.rlim_max};
  for (const std::string format : {"parquet", "arrow", "csv", "tfrecord"}) {
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const Status saved = SaveDataset(made, folder, format);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    EXPECT_TRUE(saved.IsIOError()) << format << ": " << saved.ToString();
    const auto files = LocalFileSystem()->List(folder).ValueOrDie();
    EXPECT_EQ(files.size(), 2) << format;  // those of the first
    EXPECT_TRUE(LoadDataset(folder).ok());
  }
  std::signal(SIGXFSZ, ignored);
}

}  // namespace
}  // namespace tercet
