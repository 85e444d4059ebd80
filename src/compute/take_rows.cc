#include "compute/take_rows.h"

#include <arrow/array/array_primitive.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>

namespace tercet {
namespace {

template <typename ArrayType, typename Number>
Result<std::shared_ptr<arrow::RecordBatch>> Take(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                 std::span<const Number> rows) {
  // The numbers where they lie: the array does not outlive the call.
  const ArrayType numbers(static_cast<int64_t>(rows.size()), arrow::Buffer::Wrap(rows.data(),
                                                                                 rows.size()));
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, arrow::compute::Take(batch, numbers));
  return taken.record_batch();
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(
    const std::shared_ptr<arrow::RecordBatch>& batch, std::span<const int64_t> rows) {
  return Take<arrow::Int64Array>(batch, rows);
}

Result<std::shared_ptr<arrow::RecordBatch>> TakeRows(
    const std::shared_ptr<arrow::RecordBatch>& batch, std::span<const uint32_t> rows) {
  return Take<arrow::UInt32Array>(batch, rows);
}

}  // namespace tercet
