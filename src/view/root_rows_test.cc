#include "view/root_rows.h"

#include <arrow/builder.h>
#include <gtest/gtest.h>

#include "view/test_project.h"

namespace tercet {
namespace {

/// Rows of keys [begin, end): columns that lie plain with and without nulls, and others.
std::shared_ptr<arrow::Table> Rows(int64_t begin, int64_t end, int64_t step) {
  arrow::Int64Builder key;
  arrow::TimestampBuilder at(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                             arrow::default_memory_pool());
  arrow::DoubleBuilder number, whole;
  arrow::StringBuilder text;
  arrow::BooleanBuilder flag;
  auto values = std::make_shared<arrow::Int32Builder>();
  arrow::ListBuilder list(arrow::default_memory_pool(), values);
  for (int64_t i = begin; i < end; i += step) {
    EXPECT_TRUE(key.Append(i).ok() && at.Append(i * kHour).ok());
    EXPECT_TRUE(whole.Append(0.5 * static_cast<double>(i)).ok());
    EXPECT_TRUE((i % 5 == 0 ? number.AppendNull() : number.Append(static_cast<double>(i))).ok());
    EXPECT_TRUE((i % 7 == 0 ? text.AppendNull() : text.Append(std::to_string(i))).ok());
    EXPECT_TRUE((i % 3 == 0 ? flag.AppendNull() : flag.Append(i % 2 == 0)).ok());
    EXPECT_TRUE((i % 4 == 0 ? list.AppendNull() : list.Append()).ok());
    if (i % 4 != 0) {
      EXPECT_TRUE(values->Append(static_cast<int32_t>(i)).ok());
    }
  }
  const auto list_type = arrow::list(arrow::field("element", arrow::int32()));
  const auto lists = list.Finish().ValueOrDie();
  return arrow::Table::Make(
      arrow::schema({arrow::field("key", arrow::int64()), arrow::field("at", at.type()),
                     arrow::field("whole", arrow::float64()),
                     arrow::field("number", arrow::float64()), arrow::field("text", arrow::utf8()),
                     arrow::field("flag", arrow::boolean()), arrow::field("list", list_type)}),
      {key.Finish().ValueOrDie(), at.Finish().ValueOrDie(), whole.Finish().ValueOrDie(),
       number.Finish().ValueOrDie(), text.Finish().ValueOrDie(), flag.Finish().ValueOrDie(),
       lists->View(list_type).ValueOrDie()});
}

class RootRows : public TestProject {
 protected:
  void SetUp() override {
    TestProject::SetUp();
    FeatureGroupDefinition group{.name = "g"};
    group.primary_key = {"key"};
    group.event_time = "at";
    ASSERT_TRUE(tables_->Define(group).ok());
  }

  /// All rows, in any order of the columns, are those of a scan.
  std::shared_ptr<arrow::Table> ExpectScan(ScanOptions scan = {}) {
    const auto snapshot = tables_->Get({"g", 1}).ValueOrDie()->Head().ValueOrDie();
    scan.columns = {"text", "key", "number", "list", "at", "flag", "whole"};
    const auto rows = ReadAllRows(snapshot.get(), scan);
    EXPECT_TRUE(rows.ok()) << rows.status().ToString();
    const auto expected = snapshot->Scan(scan).ValueOrDie()->ToTable().ValueOrDie();
    EXPECT_TRUE((*rows)->ValidateFull().ok());
    EXPECT_TRUE((*rows)->Equals(*expected)) << (*rows)->ToString() << expected->ToString();
    EXPECT_TRUE((*rows)->schema()->Equals(expected->schema()));
    for (const int64_t batch_rows : {1, 4'000, 1'000'000}) {
      const auto reader = OpenAllRows(snapshot.get(), scan, batch_rows).ValueOrDie();
      EXPECT_TRUE(reader->ToTable().ValueOrDie()->Equals(*expected)) << batch_rows;
    }
    return *rows;
  }
};

TEST_F(RootRows, AreThoseOfAScanInOnePiece) {
  Insert({"g", 1}, Rows(0, 9'000, 1));
  Insert({"g", 1}, Rows(10'000, 14'001, 1));  // behind them
  const auto rows = ExpectScan();
  EXPECT_EQ(rows->num_rows(), 13'001);
  EXPECT_EQ(rows->GetColumnByName("whole")->num_chunks(), 1);
  EXPECT_EQ(rows->GetColumnByName("whole")->null_count(), 0);
}

TEST_F(RootRows, AreMergedWhereRunsOverlap) {
  Insert({"g", 1}, Rows(0, 5'000, 1));
  Insert({"g", 1}, Rows(1'000, 8'000, 3));
  EXPECT_EQ(ExpectScan()->num_rows(), 6'000);
}

TEST_F(RootRows, AreOfTheTimesAskedFor) {
  Insert({"g", 1}, Rows(0, 5'000, 1));
  EXPECT_EQ(ExpectScan({.columns = {}, .start_us = 100 * kHour, .end_us = 200 * kHour})->num_rows(),
            100);
}

TEST_F(RootRows, MayBeNone) {
  Insert({"g", 1}, Rows(0, 0, 1));
  EXPECT_EQ(ExpectScan()->num_rows(), 0);
}

TEST_F(RootRows, AColumnThatIsNotThereIsNamed) {
  Insert({"g", 1}, Rows(0, 10, 1));
  const auto snapshot = tables_->Get({"g", 1}).ValueOrDie()->Head().ValueOrDie();
  const Status status = ReadAllRows(snapshot.get(), {.columns = {"key", "none"}}).status();
  EXPECT_TRUE(status.IsKeyError());
  EXPECT_NE(status.message().find("'none'"), std::string::npos) << status.ToString();
}

}  // namespace
}  // namespace tercet
