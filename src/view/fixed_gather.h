#pragma once

#include <cstdint>
#include <memory>

#include "view/column_gather.h"
#include "view/row_flags.h"

namespace tercet {

/// The gather of values of a fixed number of bytes: from batches, or from the pages of mapped files
/// without decoding them first. In order, validity is written as bits, a block at a time;
/// scattered, as one byte a row.
class FixedGather : public ColumnGather {
 public:
  static Result<std::unique_ptr<ColumnGather>> Make(const std::shared_ptr<arrow::DataType>& type,
                                                    int64_t rows, GatherOrder order,
                                                    arrow::MemoryPool* memory);

  Status Gather(int task, const arrow::Array& source, const GatherBlock& block) override;
  Status GatherPlain(const PlainColumn& source, const GatherBlock& block) override;
  Status PutPlain(const PlainColumn& source, int64_t begin, int64_t rows) override;
  void PutNulls(const GatherBlock& block) override;
  GatherTarget later() override { return {values_->mutable_data(), bitmap_->mutable_data()}; }
  Result<std::shared_ptr<arrow::ChunkedArray>> Finish() override;

 private:
  FixedGather(std::shared_ptr<arrow::DataType> type, int64_t rows, GatherOrder order, bool zeroed);
  /// Readies the memory of a block's values, in order.
  void Begin(const GatherBlock& block);
  bool in_order() const { return order_ == GatherOrder::kInOrder; }

  const std::shared_ptr<arrow::DataType> type_;
  const int64_t rows_;
  const GatherOrder order_;
  const bool zeroed_;  // values_, when it was made: only then may rows be passed over
  const int64_t width_;
  std::shared_ptr<arrow::Buffer> values_;
  std::shared_ptr<arrow::Buffer> bitmap_;  // unless scattered
  RowFlags flags_;                         // scattered
};

}  // namespace tercet
