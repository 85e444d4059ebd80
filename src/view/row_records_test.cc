#include "view/row_records.h"

#include <cstring>
#include <random>

#include <arrow/builder.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

template <typename Builder>
std::shared_ptr<const PlainColumn> RandomColumn(std::mt19937_64* random, int64_t rows, int width) {
  Builder builder;
  for (int64_t i = 0; i < rows; ++i) {
    const Status appended = (*random)() % 4 == 0
                                ? builder.AppendNull()
                                : builder.Append(static_cast<typename Builder::value_type>(
                                      (*random)()));
    EXPECT_TRUE(appended.ok());
  }
  return PlainColumn::Of(**builder.Finish(), width);
}

// What each column alone gives is the oracle.
TEST(RowRecords, GatherWhatTheColumnsAloneDo) {
  std::mt19937_64 random(5);
  RowRecords records;
  for (const size_t count : {2, 3, 4, 8, 5, 2}) {
    // The second row group ends early.
    const int64_t rows = 64 * 40 * static_cast<int64_t>(count), last = rows - 7;
    std::vector<std::unique_ptr<PlainRows>> columns;
    for (size_t c = 0; c < count; ++c) {
      const int width = c % 3 == 1 ? 4 : 8;
      auto& column = columns.emplace_back(std::make_unique<PlainRows>(width, rows));
      for (const auto& [first, end] : {std::pair{int64_t{0}, int64_t{64 * 11}}, {64 * 12, last}}) {
        column->Put(first, width == 4
                               ? RandomColumn<arrow::Int32Builder>(&random, end - first, 4)
                               : RandomColumn<arrow::Int64Builder>(&random, end - first, 8));
      }
    }
    ASSERT_TRUE(records.Load(columns).ok());

    std::vector<uint32_t> numbers(1003);
    for (auto& number : numbers) {
      number = random() % 10 == 0 ? PlainRows::kNone : static_cast<uint32_t>(random() % last);
    }
    const auto size = static_cast<int64_t>(numbers.size());
    std::vector<std::vector<uint8_t>> values(count), bitmaps(count);
    std::vector<GatherTarget> targets;
    for (size_t c = 0; c < count; ++c) {
      values[c].resize(numbers.size() * 8, 0xEE);
      bitmaps[c].resize((numbers.size() + 7) / 8, 0xEE);
      targets.push_back({values[c].data(), bitmaps[c].data()});
    }
    records.Gather(numbers.data(), size, targets);
    for (size_t c = 0; c < count; ++c) {
      std::vector<uint8_t> alone(values[c].size(), 0xEE), bitmap(bitmaps[c].size(), 0xEE);
      columns[c]->Gather(numbers.data(), size, alone.data(), bitmap.data());
      EXPECT_EQ(values[c], alone) << c << " of " << count;
      EXPECT_EQ(bitmaps[c], bitmap) << c << " of " << count;
    }
  }
}

TEST(RowRecords, AValueMayBeTheMarkOfNulls) {
  constexpr auto kMark = static_cast<int64_t>(RowRecords::kFirstMark);
  constexpr auto kNextMark = static_cast<int64_t>(2 * RowRecords::kFirstMark);
  arrow::Int64Builder builder;
  ASSERT_TRUE(builder.AppendValues({kMark, 1, kNextMark, 3}, {true, true, true, false}).ok());
  std::vector<std::unique_ptr<PlainRows>> columns;
  for (int c = 0; c < 2; ++c) {
    columns.push_back(std::make_unique<PlainRows>(8, 4));
    columns.back()->Put(0, PlainColumn::Of(**builder.Finish(), 8));
    ASSERT_TRUE(builder.AppendNulls(4).ok());  // of the second column
  }
  RowRecords records;
  ASSERT_TRUE(records.Load(columns).ok());
  const std::vector<uint32_t> numbers = {3, 2, 1, 0, PlainRows::kNone};
  std::vector<std::vector<int64_t>> values(2, std::vector<int64_t>(5, -1));
  std::vector<uint8_t> bitmaps(2, 0xFF);
  records.Gather(numbers.data(), 5,
                 {{reinterpret_cast<uint8_t*>(values[0].data()), &bitmaps[0]},
                  {reinterpret_cast<uint8_t*>(values[1].data()), &bitmaps[1]}});
  EXPECT_EQ(values[0], (std::vector<int64_t>{0, kNextMark, 1, kMark, 0}));
  EXPECT_EQ(values[1], (std::vector<int64_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(bitmaps[0], 0b01110);
  EXPECT_EQ(bitmaps[1], 0);
}

}  // namespace
}  // namespace tercet
