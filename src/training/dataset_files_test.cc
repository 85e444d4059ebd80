#include "training/dataset_files.h"

#include <filesystem>
#include <fstream>

#include <arrow/io/memory.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "training/class_balance.h"
#include "training/tfrecord.h"
#include "view/test_project.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetFilesTest : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    training_ = std::make_unique<TrainingData>(catalog_.get(), tables_.get(), LocalFileSystem(),
                                               root_, &clock_);
    InsertFlights(20);
    InsertWeather({9, 11, 13, 15, 17, 25, 27});
    ASSERT_TRUE(views_->Define(DelayView()).ok());
    folder_ = root_ + "/saved";
  }

  static SplitDefinition Folds(SplitDefinition::Method method, int64_t folds) {
    SplitDefinition split{.method = method};
    split.folds = folds;
    return split;
  }

  static std::vector<int64_t> Flights(const TrainingPart& part) {
    const auto column = part.keys->GetColumnByName("flight");
    const auto& numbers = static_cast<const arrow::Int64Array&>(*column->chunk(0));
    return {numbers.raw_values(), numbers.raw_values() + numbers.length()};
  }

  std::unique_ptr<TrainingData> training_;
  std::string folder_;
};

TEST_F(DatasetFilesTest, WhatIsSavedComesBack) {
  SplitDefinition split{.method = SplitDefinition::Method::kRandom};
  split.parts = {{"train", 0.7}, {"test", 0.3}};
  const TrainingDataset dataset = training_->Create({"delay", 1}, {.split = split}).ValueOrDie();
  for (const char* format : {"parquet", "arrow"}) {
    SCOPED_TRACE(format);
    ASSERT_TRUE(SaveDataset(dataset, folder_, format).ok());
    const TrainingDataset back = LoadDataset(folder_).ValueOrDie();
    EXPECT_EQ(ToText(back.definition.ToJson()), ToText(dataset.definition.ToJson()));
    ASSERT_EQ(back.parts.size(), 2u);
    for (size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(back.parts[k].name, dataset.parts[k].name);
      EXPECT_TRUE(back.parts[k].features->Equals(*dataset.parts[k].features, true));
      EXPECT_TRUE(back.parts[k].labels->Equals(*dataset.parts[k].labels, true));
      EXPECT_TRUE(back.parts[k].helpers->Equals(*dataset.parts[k].helpers, true));
      EXPECT_TRUE(back.parts[k].keys->Equals(*dataset.parts[k].keys, true));
    }
    const std::string ending = std::string(".") + format;
    std::filesystem::copy_file(folder_ + "/train" + ending, folder_ + "/test" + ending,
                               std::filesystem::copy_options::overwrite_existing);
    const Status changed = LoadDataset(folder_).status();
    EXPECT_TRUE(changed.IsIOError()) << changed;
    EXPECT_THAT(changed.message(), HasSubstr("'test'"));
  }
  for (const char* format : {"csv", "tfrecord"}) {
    ASSERT_TRUE(SaveDataset(dataset, folder_, format).ok());
    EXPECT_TRUE(LoadDataset(folder_).status().IsNotImplemented());
  }
  EXPECT_THAT(SaveDataset(dataset, folder_, "parqet").message(), HasSubstr("'parquet'"));
  EXPECT_TRUE(LoadDataset(root_ + "/nowhere").status().IsKeyError());
}

TEST_F(DatasetFilesTest, AFoldIsFittedOnItsOwnTrainingRows) {
  const SplitDefinition split = Folds(SplitDefinition::Method::kKFold, 4);
  const TrainingDataset dataset =
      training_->Create({"delay", 1}, {.split = split, .seed = 3}).ValueOrDie();
  ASSERT_EQ(dataset.parts.size(), 4u);
  std::vector<int64_t> tested;
  for (int64_t k = 0; k < 4; ++k) {
    const TrainingDataset fold = training_->Fold({"delay@1", 1}, k, {}).ValueOrDie();
    ASSERT_EQ(fold.parts.size(), 2u);
    EXPECT_EQ(Flights(fold.parts[1]), Flights(dataset.parts[static_cast<size_t>(k)]));
    EXPECT_EQ(fold.parts[0].features->num_rows() + fold.parts[1].features->num_rows(), 20);
    const auto test = Flights(fold.parts[1]);
    tested.insert(tested.end(), test.begin(), test.end());
    // Flight n is 100 n far: the mean that was fitted is that of the training rows.
    double sum = 0;
    for (const int64_t flight : Flights(fold.parts[0])) sum += 100.0 * static_cast<double>(flight);
    bool found = false;
    for (const json::value& one : fold.definition.fitted_transformations) {
      const auto& parameters = one.at("parameters").as_object();
      if (one.at("kind") != "standard_scaler" || !parameters.contains("distance")) continue;
      found = true;
      EXPECT_DOUBLE_EQ(parameters.at("distance").at("mean").as_double(),
                       sum / static_cast<double>(fold.parts[0].features->num_rows()));
    }
    EXPECT_TRUE(found);
  }
  std::sort(tested.begin(), tested.end());
  for (int64_t flight = 0; flight < 20; ++flight) EXPECT_EQ(tested[flight], flight);
  EXPECT_TRUE(training_->Fold({"delay@1", 1}, 4, {}).status().IsInvalid());
  EXPECT_TRUE(training_->Rebuild({"delay@1", 1}).ok());
  ASSERT_TRUE(training_->Create({"delay", 1}, {}).ok());
  EXPECT_TRUE(training_->Fold({"delay@1", 2}, 0, {}).status().IsInvalid());
}

TEST_F(DatasetFilesTest, PurgedFoldsLeaveOutWhatOverlaps) {
  // A flight an hour from ten o'clock on; each label is known an hour later.
  SplitDefinition split = Folds(SplitDefinition::Method::kPurged, 4);
  split.horizon_us = kHour;
  split.embargo_us = 2 * kHour;
  ASSERT_TRUE(training_->Create({"delay", 1}, {.split = split}).ok());
  const TrainingDataset second = training_->Fold({"delay@1", 1}, 1, {}).ValueOrDie();
  EXPECT_THAT(Flights(second.parts[1]), ElementsAre(5, 6, 7, 8, 9));
  // 4's label is known when 5 departs; 10 is within 9's horizon, 11 and 12 in the embargo.
  EXPECT_THAT(Flights(second.parts[0]), ElementsAre(0, 1, 2, 3, 13, 14, 15, 16, 17, 18, 19));
}

TEST_F(DatasetFilesTest, TheDifferencesOfTwoDatasetsAreNamed) {
  const auto one = training_->Create({"delay", 1}, {}).ValueOrDie().definition;
  const auto two =
      training_->Create({"delay", 1}, {.start_us = 12 * kHour}).ValueOrDie().definition;
  std::vector<std::string> paths;
  for (const json::value& difference : DiffDatasets(one, two)) {
    paths.emplace_back(std::string_view(difference.at("path").as_string()));
  }
  EXPECT_THAT(paths, ::testing::IsSupersetOf({"version", "start_us", "rows.train",
                                              "sha256.train"}));
  EXPECT_TRUE(DiffDatasets(one, one).empty());
}

TEST(TfRecordTest, ARecordHasMaskedChecksumsAndAnExample) {
  // The vector of RFC 3720 and of every implementation.
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  arrow::Int64Builder builder;
  ASSERT_TRUE(builder.Append(300).ok());
  const std::shared_ptr<arrow::Array> column = *builder.Finish();
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("n", column->type())}), {column});
  const auto stream = *arrow::io::BufferOutputStream::Create();
  ASSERT_TRUE(WriteTfRecords(*table, stream.get()).ok());
  const std::string bytes = (*stream->Finish())->ToString();
  // Example { features { feature { key: "n" value { int64_list { value: 300 } } } } }
  const std::string example("\x0a\x0d\x0a\x0b\x0a\x01n\x12\x06\x1a\x04\x0a\x02\xac\x02", 15);
  ASSERT_EQ(bytes.size(), 8 + 4 + example.size() + 4);
  EXPECT_EQ(static_cast<unsigned char>(bytes[0]), example.size());
  EXPECT_EQ(bytes.substr(12, example.size()), example);
}

TEST(ClassBalanceTest, WeightsMakeClassesCountTheSame) {
  arrow::StringBuilder builder;
  for (const char* value : {"a", "b", "a", "a"}) ASSERT_TRUE(builder.Append(value).ok());
  ASSERT_TRUE(builder.AppendNull().ok());
  const std::shared_ptr<arrow::Array> column = *builder.Finish();
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("y", column->type())}), {column});
  EXPECT_EQ(ToText(*ClassBalance(*table)),
            ToText(json::object{
                {"y", json::array{json::object{{"class", "a"}, {"rows", 3}, {"share", 0.75},
                                               {"weight", 4.0 / 6}},
                                  json::object{{"class", "b"}, {"rows", 1}, {"share", 0.25},
                                               {"weight", 2.0}}}}}));
}

}  // namespace
}  // namespace tercet
