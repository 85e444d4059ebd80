#include "compute/cell_key.h"

#include <random>

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <gtest/gtest.h>

#include "base/parallel.h"
#include "compute/sort_key.h"

namespace tercet {
namespace {

const std::vector<std::shared_ptr<arrow::DataType>>& KeyTypes() {
  static const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::boolean(),
      arrow::int8(),
      arrow::int16(),
      arrow::int32(),
      arrow::int64(),
      arrow::uint8(),
      arrow::uint16(),
      arrow::uint32(),
      arrow::uint64(),
      arrow::date32(),
      arrow::date64(),
      arrow::time32(arrow::TimeUnit::SECOND),
      arrow::time64(arrow::TimeUnit::MICRO),
      arrow::timestamp(arrow::TimeUnit::NANO),
      arrow::duration(arrow::TimeUnit::MILLI),
      arrow::utf8(),
      arrow::large_utf8(),
      arrow::binary(),
      arrow::large_binary()};
  return types;
}

/// Random values of a type, with its edges: any bytes are a value of the types above.
std::shared_ptr<arrow::Array> RandomArray(const std::shared_ptr<arrow::DataType>& type, int64_t n,
                                          std::mt19937_64* random) {
  if (type->id() == arrow::Type::BOOL) {
    arrow::BooleanBuilder builder;
    for (int64_t i = 0; i < n; ++i) EXPECT_TRUE(builder.Append((*random)() % 2 == 0).ok());
    return builder.Finish().ValueOrDie();
  }
  if (arrow::is_base_binary_like(type->id())) {
    arrow::BinaryBuilder builder;
    for (int64_t i = 0; i < n; ++i) {
      std::string text((*random)() % 5, 'a');
      for (char& c : text) c = static_cast<char>((*random)() % 3);
      EXPECT_TRUE(builder.Append(text).ok());
    }
    const auto array = builder.Finish().ValueOrDie();
    return arrow::compute::Cast(*array, type).ValueOrDie();
  }
  const int width = type->byte_width();
  std::shared_ptr<arrow::Buffer> buffer = arrow::AllocateBuffer(n * width).ValueOrDie();
  for (int64_t i = 0; i < n * width; ++i) {
    constexpr uint8_t kEdges[] = {0x00, 0xFF, 0x80, 0x7F};
    buffer->mutable_data()[i] =
        (*random)() % 2 == 0 ? kEdges[(*random)() % 4] : static_cast<uint8_t>((*random)());
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, n, {nullptr, buffer}, 0));
}

TEST(CellKey, IsTheBytesOfSortKeys) {
  InitializeArrow();
  constexpr int64_t kRows = 50;
  std::mt19937_64 random(5);
  for (int round = 0; round < 400; ++round) {
    std::vector<std::shared_ptr<arrow::Array>> columns;
    std::vector<arrow::Type::type> types;
    // Each type alone first, then mixtures.
    const size_t count = round < static_cast<int>(KeyTypes().size()) ? 1 : random() % 3 + 1;
    for (size_t c = 0; c < count; ++c) {
      const size_t which = round < static_cast<int>(KeyTypes().size())
                               ? static_cast<size_t>(round)
                               : random() % KeyTypes().size();
      const auto& type = KeyTypes()[which];
      ASSERT_TRUE(IsCellKeyType(*type)) << type->ToString();
      columns.push_back(RandomArray(type, kRows, &random));
      types.push_back(type->id());
    }
    const auto keys = SortKeys::Encode(columns);
    ASSERT_TRUE(keys.ok()) << keys.status().ToString();
    for (int64_t i = 0; i < kRows; ++i) {
      std::vector<Cell> cells;
      for (const auto& column : columns) cells.push_back(CellOf(*column, i));
      std::string key;
      AppendCellKey(types, cells, &key);
      ASSERT_EQ(key, keys->ToBytes(i)) << columns[0]->type()->ToString() << ", row " << i;
    }
  }
}

}  // namespace
}  // namespace tercet
