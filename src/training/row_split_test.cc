#include "training/row_split.h"

#include <arrow/json/from_string.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<arrow::ChunkedArray> Times(const std::string& json) {
  return std::make_shared<arrow::ChunkedArray>(
      arrow::json::ArrayFromJSONString(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), json)
          .ValueOrDie());
}

std::vector<std::vector<int64_t>> Rows(const SplitDefinition& split, int64_t seed, int64_t rows,
                                       const std::shared_ptr<arrow::ChunkedArray>& times) {
  std::vector<std::vector<int64_t>> parts;
  for (const auto& indices : SplitRows(split, seed, rows, {times, nullptr}).ValueOrDie()) {
    parts.emplace_back(indices->raw_values(), indices->raw_values() + indices->length());
  }
  return parts;
}

TEST(RowSplitTest, NoSplitIsOnePart) {
  EXPECT_THAT(Rows({}, 0, 3, nullptr), ElementsAre(ElementsAre(0, 1, 2)));
}

TEST(RowSplitTest, APartEndsBeforeItsBoundary) {
  SplitDefinition split{.method = SplitDefinition::Method::kTime};
  split.boundaries = {{"train", 20}, {"validation", 30}, {"test", std::nullopt}};
  EXPECT_THAT(Rows(split, 0, 6, Times("[20, 10, 30, 19, 29, 99]")),
              ElementsAre(ElementsAre(1, 3), ElementsAre(0, 4), ElementsAre(2, 5)));
}

TEST(RowSplitTest, SharesOfTimeKeepEqualTimesTogether) {
  SplitDefinition split{.method = SplitDefinition::Method::kTime};
  split.parts = {{"train", 0.5}, {"test", 0.5}};
  const auto parts = Rows(split, 0, 6, Times("[1, 5, 2, 5, 5, 9]"));
  for (const auto& part : parts) {
    const int64_t of_time_five = std::count_if(part.begin(), part.end(), [](int64_t row) {
      return row == 1 || row == 3 || row == 4;
    });
    EXPECT_TRUE(of_time_five == 0 || of_time_five == 3);
  }
  EXPECT_EQ(parts[0].size() + parts[1].size(), 6);
}

TEST(RowSplitTest, ARandomSplitDependsOnItsSeedOnly) {
  SplitDefinition split{.method = SplitDefinition::Method::kRandom};
  split.parts = {{"train", 0.6}, {"validation", 0.2}, {"test", 0.2}};
  const auto parts = Rows(split, 7, 1000, nullptr);
  EXPECT_EQ(parts[0].size(), 600);
  EXPECT_EQ(parts[1].size(), 200);
  EXPECT_EQ(parts[2].size(), 200);
  EXPECT_EQ(Rows(split, 7, 1000, nullptr), parts);
  EXPECT_NE(Rows(split, 8, 1000, nullptr), parts);
  std::vector<int64_t> all;
  for (const auto& part : parts) {
    EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
    all.insert(all.end(), part.begin(), part.end());
  }
  std::sort(all.begin(), all.end());
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(all[i], i);
}

TEST(RowSplitTest, ASplitByTimeNeedsTimes) {
  SplitDefinition split{.method = SplitDefinition::Method::kTime};
  split.parts = {{"train", 0.5}, {"test", 0.5}};
  const Status none = SplitRows(split, 0, 2, {}).status();
  EXPECT_TRUE(none.IsInvalid());
  EXPECT_THAT(none.message(), HasSubstr("no event time"));
  const Status some = SplitRows(split, 0, 2, {Times("[1, null]"), nullptr}).status();
  EXPECT_TRUE(some.IsInvalid());
  EXPECT_THAT(some.message(), HasSubstr("1 of 2 rows have no event time"));
}

TEST(RowSplitTest, TakenRowsKeepTheirOrder) {
  const auto array = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["a", "b", "c", "d"])");
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("x", arrow::utf8())}),
      {std::make_shared<arrow::ChunkedArray>(
          arrow::ArrayVector{(*array)->Slice(0, 1), (*array)->Slice(1)})});
  const auto take = [&](const std::string& indices) {
    const auto chosen = arrow::json::ArrayFromJSONString(arrow::int64(), indices).ValueOrDie();
    std::string text;
    const auto taken =
        TakeRows(table, static_cast<const arrow::Int64Array&>(*chosen)).ValueOrDie();
    for (const auto& chunk : taken->column(0)->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i) {
        text += static_cast<const arrow::StringArray&>(*chunk).GetView(i);
      }
    }
    return text;
  };
  EXPECT_EQ(take("[0, 2, 3]"), "acd");
  EXPECT_EQ(take("[1, 2]"), "bc");
  EXPECT_EQ(take("[]"), "");
}

}  // namespace
}  // namespace tercet
