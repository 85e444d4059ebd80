#include "base/cell_row.h"

#include <cstring>
#include <limits>

#include <arrow/array/util.h>
#include <arrow/buffer.h>

namespace tercet {
namespace {

Result<std::shared_ptr<arrow::Buffer>> BufferOf(const void* bytes, size_t size) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(static_cast<int64_t>(size)));
  if (size > 0) std::memcpy(buffer->mutable_data(), bytes, size);
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

template <typename Offset>
Result<std::shared_ptr<arrow::Buffer>> OffsetsOf(const Cell& cell) {
  if (cell.size > static_cast<uint64_t>(std::numeric_limits<Offset>::max())) {
    return Status::CapacityError("a value of ", cell.size, " bytes");
  }
  const Offset offsets[] = {0, static_cast<Offset>(cell.size)};
  return BufferOf(offsets, sizeof(offsets));
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> ArrayOfCell(const std::shared_ptr<arrow::DataType>& type,
                                                  const Cell& cell) {
  if (cell.null()) return arrow::MakeArrayOfNull(type, 1);
  arrow::BufferVector buffers = {nullptr};
  ARROW_ASSIGN_OR_RAISE(auto bytes, BufferOf(cell.data, cell.size));
  switch (type->id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY: {
      ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), OffsetsOf<int32_t>(cell));
      break;
    }
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: {
      ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), OffsetsOf<int64_t>(cell));
      break;
    }
    default:
      // A boolean's byte, 0 or 1, is a bitmap of one bit too.
      break;
  }
  buffers.push_back(std::move(bytes));
  return arrow::MakeArray(arrow::ArrayData::Make(type, 1, std::move(buffers), 0));
}

Result<std::shared_ptr<arrow::RecordBatch>> BatchOfRow(
    const std::shared_ptr<arrow::Schema>& schema, std::span<const Cell> row) {
  arrow::ArrayVector columns;
  columns.reserve(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                          ArrayOfCell(schema->field(static_cast<int>(i))->type(), row[i]));
  }
  return arrow::RecordBatch::Make(schema, 1, std::move(columns));
}

}  // namespace tercet
