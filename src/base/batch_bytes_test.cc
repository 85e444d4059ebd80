#include "base/batch_bytes.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

std::shared_ptr<arrow::RecordBatch> Numbers(int64_t rows) {
  arrow::Int64Builder numbers;
  for (int64_t i = 0; i < rows; ++i) EXPECT_TRUE(numbers.Append(i * i).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), rows,
                                  {*numbers.Finish()});
}

TEST(BatchBytes, RoundTripAtAnyAddress) {
  for (const int64_t rows : {0, 1, 100}) {
    const auto batch = Numbers(rows);
    const std::string bytes(std::string_view(**WriteBatch(*batch)));
    for (const size_t shift : {0, 1, 4}) {
      const auto shifted = arrow::Buffer::FromString(std::string(shift, ' ') + bytes);
      const auto again = *ReadBatch(arrow::SliceBuffer(shifted, shift));
      EXPECT_TRUE(again->Equals(*batch)) << rows << " rows, " << shift;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(again->column(0)->data()->buffers[1]->data()) % 8, 0);
    }
  }
}

TEST(BatchBytes, StreamsFollowEachOther) {
  const auto one = *WriteBatch(*Numbers(3)), two = *WriteBatch(*Numbers(5));
  arrow::io::BufferReader input(*arrow::ConcatenateBuffers({one, two}));
  EXPECT_EQ((*ReadBatch(&input))->num_rows(), 3);
  EXPECT_EQ((*ReadBatch(&input))->num_rows(), 5);
  EXPECT_FALSE(ReadBatch(&input).ok());
}

TEST(BatchBytes, CutBytesAreRefused) {
  const auto bytes = *WriteBatch(*Numbers(100));
  for (int64_t size = 0; size + 8 < bytes->size(); size += 7) {
    EXPECT_FALSE(ReadBatch(arrow::SliceBuffer(bytes, 0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace tercet
