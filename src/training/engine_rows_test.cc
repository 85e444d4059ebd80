#include "training/engine_rows.h"

#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "training/training_data.h"
#include "view/test_project.h"
#include "view/view_recipe.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

std::string IpcOf(const arrow::Table& rows) {
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(sink, rows.schema()).ValueOrDie();
  EXPECT_TRUE(writer->WriteTable(rows).ok());
  EXPECT_TRUE(writer->Close().ok());
  return sink->Finish().ValueOrDie()->ToString();
}

/// Messages in batches of two.
std::shared_ptr<arrow::RecordBatchReader> Messages(
    const std::vector<std::pair<int8_t, std::string>>& messages) {
  arrow::Int8Builder of;
  arrow::BinaryBuilder ipc;
  for (const auto& [kind, bytes] : messages) {
    EXPECT_TRUE(of.Append(kind).ok() && ipc.Append(bytes).ok());
  }
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("of", arrow::int8()), arrow::field("ipc", arrow::binary())}),
      arrow::ArrayVector{of.Finish().ValueOrDie(), ipc.Finish().ValueOrDie()});
  const auto reader = std::make_shared<arrow::TableBatchReader>(table);
  reader->set_chunksize(2);
  return reader;
}

class EngineRowsTest : public FlightsProject {
 protected:
  void SetUp() override {
    FlightsProject::SetUp();
    InsertFlights(20);
    InsertWeather({9, 11, 13, 15, 17, 25, 27});
    ASSERT_TRUE(views_->Define(DelayView()).ok());
    training_ = std::make_unique<TrainingData>(catalog_.get(), tables_.get(), LocalFileSystem(),
                                               root_, &clock_);
    plan_ = views_->Plan({"delay", 1}).ValueOrDie();
    program_ = ProgramOf(plan_, {}).ValueOrDie();
  }

  /// The rows of a read as an engine has them: what it reads is of types that need no conversion.
  std::shared_ptr<arrow::Table> RowsOfRead() {
    const ViewRows read = ReadView(*plan_, tables_.get(), {}).ValueOrDie();
    arrow::ChunkedArrayVector columns;
    for (const auto& schema :
         {plan_->feature_schema(), plan_->label_schema(), plan_->helper_schema()}) {
      for (const std::string& name : schema->field_names()) {
        columns.push_back(read.columns->GetColumnByName(name));
      }
    }
    for (const auto& key : read.keys->columns()) columns.push_back(key);
    columns.push_back(read.event_time);
    return arrow::Table::Make(program_->rows_schema(), std::move(columns));
  }

  std::unique_ptr<TrainingData> training_;
  std::shared_ptr<const ViewPlan> plan_;
  std::shared_ptr<const ViewProgram> program_;
};

TEST_F(EngineRowsTest, GivenRowsMakeTheDatasetThatAReadMakes) {
  SplitDefinition split{.method = SplitDefinition::Method::kRandom};
  split.parts = {{"train", 0.6}, {"test", 0.4}};
  const TrainingDataset read =
      training_->Create({"delay", 1}, {.split = split, .seed = 7}).ValueOrDie();

  const auto rows = RowsOfRead();
  const auto given = EngineRows::Open(Messages({{1, IpcOf(*rows->Slice(0, 7))},
                                                {1, IpcOf(*rows->Slice(7, 12))},
                                                {1, IpcOf(*rows->Slice(19))}}),
                                      root_)
                         .ValueOrDie();
  EXPECT_EQ(given->spine(), nullptr);
  TrainingDataOptions options{.split = split, .seed = 7};
  options.given = {.pins = read.definition.pins, .next = [&] { return given->Next(*program_); }};
  const TrainingDataset made = training_->Create({"delay", 1}, options).ValueOrDie();

  TrainingDatasetDefinition expected = read.definition;
  expected.version = made.definition.version;
  EXPECT_EQ(ToText(made.definition.ToJson()), ToText(expected.ToJson()));
  ASSERT_TRUE(made.places.has_value());
  std::vector<int64_t> count(2, 0);
  for (const uint8_t part : made.places->part) ++count.at(part);
  EXPECT_EQ(count[0], read.definition.rows.at("train"));
  EXPECT_EQ(count[1], read.definition.rows.at("test"));
  EXPECT_TRUE(training_->Rebuild({"delay@1", made.definition.version}).ok());

  options.given->pins.erase("weather@1");
  EXPECT_THAT(training_->Create({"delay", 1}, options).status().message(),
              HasSubstr("as of which commit of 'weather@1'"));
}

TEST_F(EngineRowsTest, ASpineComesBeforeTheRows) {
  const auto rows = RowsOfRead();
  const auto spine = TableOf({arrow::field("x", arrow::int64())}, "[[1], [2], [3]]");
  const auto given = EngineRows::Open(Messages({{0, IpcOf(*spine->Slice(0, 0))},
                                                {0, IpcOf(*spine->Slice(0, 2))},
                                                {0, IpcOf(*spine->Slice(2))},
                                                {1, IpcOf(*rows)}}),
                                      root_)
                         .ValueOrDie();
  EXPECT_TRUE(given->spine()->Equals(*spine));
  EXPECT_EQ(given->Next(*program_).ValueOrDie()->columns->num_rows(), 20);
  EXPECT_FALSE(given->Next(*program_).ValueOrDie().has_value());
}

TEST_F(EngineRowsTest, WithoutRowsThereIsOneEmptyPiece) {
  const auto given = EngineRows::Open(Messages({}), root_).ValueOrDie();
  EXPECT_EQ(given->Next(*program_).ValueOrDie()->columns->num_rows(), 0);
  EXPECT_FALSE(given->Next(*program_).ValueOrDie().has_value());
}

TEST_F(EngineRowsTest, WhatIsNoMessageIsRefused) {
  const auto rows = RowsOfRead();
  const auto spine = TableOf({arrow::field("x", arrow::int64())}, "[[1]]");
  const auto other = TableOf({arrow::field("y", arrow::utf8())}, "[[\"a\"]]");
  const auto opened = [&](const std::vector<std::pair<int8_t, std::string>>& messages) {
    return EngineRows::Open(Messages(messages), root_);
  };
  EXPECT_THAT(opened({{2, IpcOf(*rows)}}).status().message(), HasSubstr("0 for the spine"));
  EXPECT_THAT(opened({{0, "no stream"}}).status().message(), HasSubstr("rows of an engine"));
  EXPECT_THAT(opened({{0, IpcOf(*spine)}, {0, IpcOf(*other)}}).status().message(),
              HasSubstr("different columns"));
  EXPECT_THAT(opened({{1, IpcOf(*spine)}}).ValueOrDie()->Next(*program_).status().message(),
              HasSubstr("columns, not 1"));
  const auto late = opened({{1, IpcOf(*rows)}, {0, IpcOf(*spine)}}).ValueOrDie();
  ASSERT_TRUE(late->Next(*program_).ok());
  EXPECT_THAT(late->Next(*program_).status().message(), HasSubstr("after the view's"));
}

}  // namespace
}  // namespace tercet
