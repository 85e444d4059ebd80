#include "offline/row_gather.h"

#include <random>

#include <arrow/compute/api_vector.h>

#include "offline/table_test_rows.h"

namespace tercet {
namespace {

/// A column of every way of copying, with nulls; a slice, so that the buffers don't begin with the
/// first row.
std::shared_ptr<arrow::RecordBatch> ManyTypes(int seed) {
  const auto schema = arrow::schema(
      {arrow::field("long", arrow::int64()), arrow::field("float", arrow::float32()),
       arrow::field("time", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("text", arrow::utf8()), arrow::field("flag", arrow::boolean()),
       arrow::field("money", arrow::decimal128(9, 2)), arrow::field("full", arrow::int32()),
       arrow::field("tiny", arrow::int8()), arrow::field("short", arrow::int16()),
       arrow::field("list", arrow::list(arrow::int32()))});
  std::string text = "[";
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i + seed);
    const std::string some = (i + seed) % 3 == 0 ? "null" : n;
    const std::string small = std::to_string(i % 100);
    text += (i == 0 ? "[" : ",[") + some + "," + (i % 5 == 0 ? "null" : n) + "," + some + "," +
            (i % 7 == 0 ? "null" : "\"" + n + "\"") + "," + (i % 2 == 0 ? "true" : "null") +
            ",\"" + n + ".25\"," + n + "," + small + "," + (i % 4 == 0 ? "null" : small) + ",[" +
            n + "]]";
  }
  return Rows(schema, text + "]")->Slice(3, 180);
}

TEST(RowGather, EqualsArrowsTake) {
  const auto rows = ManyTypes(0);
  std::mt19937 random(5);
  for (const size_t count : {0, 1, 7, 24, 25, 100, 1000}) {
    std::vector<uint32_t> numbers(count);
    for (uint32_t& number : numbers) number = random() % 180;
    const arrow::UInt32Array indices(static_cast<int64_t>(count),
                                     arrow::Buffer::Wrap(numbers.data(), count));
    const auto expected = Value(arrow::compute::Take(rows, indices.Slice(0)));
    const auto actual = Value(GatherRows(*rows, numbers));
    ASSERT_OK(actual->ValidateFull());
    ExpectEqual(*actual, *expected.record_batch());
  }
}

TEST(RowGather, PutsSlicesOfSeveralBatchesEndToEnd) {
  const std::vector<std::shared_ptr<arrow::RecordBatch>> batches = {ManyTypes(0), ManyTypes(1),
                                                                    ManyTypes(500)};
  std::vector<SourceRows> sources;
  for (const auto& batch : batches) sources.push_back(SourceRows::Of(*batch));
  // Of the last one some columns are as a file has them.
  for (const int c : {0, 1, 2, 6}) {
    ColumnRows& column = sources[2].columns[static_cast<size_t>(c)];
    column.plain = PlainColumn::Of(*column.array, c == 1 || c == 6 ? 4 : 8);
    column.array = nullptr;
  }
  std::mt19937 random(9);
  for (const uint32_t longest : {1, 3, 20, 150}) {
    std::vector<RowSlice> slices;
    arrow::RecordBatchVector expected;
    for (int i = 0; i < 60; ++i) {
      const uint32_t source = random() % 3, begin = random() % 180;
      const uint32_t count = std::min(180 - begin, 1 + static_cast<uint32_t>(random() % longest));
      slices.push_back({source, begin, count});
      expected.push_back(batches[source]->Slice(begin, count));
    }
    const auto actual =
        Value(GatherSlices(batches[0]->schema(), {&sources[0], &sources[1], &sources[2]}, slices));
    ASSERT_OK(actual->ValidateFull());
    ExpectEqual(*actual, *Value(arrow::ConcatenateRecordBatches(expected)));
  }
  EXPECT_EQ(Value(GatherSlices(batches[0]->schema(), {}, {}))->num_rows(), 0);
}

}  // namespace
}  // namespace tercet
