#include "base/cell_row.h"

#include <cstring>
#include <limits>

#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>

namespace tercet {
namespace {

/// Every `stride`-th of some cells, from `first` on: a column of those of rows.
struct CellColumn {
  std::span<const Cell> cells;
  size_t first = 0;
  size_t stride = 1;

  size_t size() const { return cells.size() / stride; }
  const Cell& operator[](size_t i) const { return cells[first + i * stride]; }
};

Result<std::shared_ptr<arrow::Buffer>> ZeroBuffer(size_t size) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(static_cast<int64_t>(size)));
  if (size > 0) std::memset(buffer->mutable_data(), 0, size);
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

/// A bitmap of what `is_set` says of each cell.
template <typename IsSet>
Result<std::shared_ptr<arrow::Buffer>> Bitmap(const CellColumn& cells, const IsSet& is_set) {
  ARROW_ASSIGN_OR_RAISE(
      auto bits, ZeroBuffer(static_cast<size_t>(
                     arrow::bit_util::BytesForBits(static_cast<int64_t>(cells.size())))));
  for (size_t i = 0; i < cells.size(); ++i) {
    if (is_set(cells[i])) arrow::bit_util::SetBit(bits->mutable_data(), static_cast<int64_t>(i));
  }
  return bits;
}

/// Adds the offsets and the bytes of texts.
template <typename Offset>
Status AddTexts(const CellColumn& cells, arrow::BufferVector* buffers) {
  uint64_t size = 0;
  for (size_t i = 0; i < cells.size(); ++i) size += cells[i].size;
  if (size > static_cast<uint64_t>(std::numeric_limits<Offset>::max())) {
    return Status::CapacityError("values of ", size, " bytes");
  }
  ARROW_ASSIGN_OR_RAISE(auto offsets, ZeroBuffer((cells.size() + 1) * sizeof(Offset)));
  ARROW_ASSIGN_OR_RAISE(auto bytes, ZeroBuffer(size));
  auto* end = reinterpret_cast<Offset*>(offsets->mutable_data());
  for (size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    if (cell.size > 0) std::memcpy(bytes->mutable_data() + *end, cell.data, cell.size);
    end[1] = *end + static_cast<Offset>(cell.size);
    ++end;
  }
  buffers->push_back(std::move(offsets));
  buffers->push_back(std::move(bytes));
  return Status::OK();
}

/// Adds values of one width.
Status AddNumbers(const CellColumn& cells, size_t width, arrow::BufferVector* buffers) {
  ARROW_ASSIGN_OR_RAISE(auto values, ZeroBuffer(cells.size() * width));
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i].null()) std::memcpy(values->mutable_data() + i * width, cells[i].data, width);
  }
  buffers->push_back(std::move(values));
  return Status::OK();
}

Result<std::shared_ptr<arrow::Array>> ArrayOf(const std::shared_ptr<arrow::DataType>& type,
                                              const CellColumn& cells) {
  int64_t nulls = 0;
  for (size_t i = 0; i < cells.size(); ++i) nulls += cells[i].null();
  arrow::BufferVector buffers = {nullptr};
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(buffers[0], Bitmap(cells, [](const Cell& cell) { return !cell.null(); }));
  }
  switch (type->id()) {
    case arrow::Type::BOOL: {
      ARROW_ASSIGN_OR_RAISE(buffers.emplace_back(), Bitmap(cells, [](const Cell& cell) {
                              return !cell.null() && cell.As<uint8_t>() != 0;
                            }));
      break;
    }
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      ARROW_RETURN_NOT_OK(AddTexts<int32_t>(cells, &buffers));
      break;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      ARROW_RETURN_NOT_OK(AddTexts<int64_t>(cells, &buffers));
      break;
    default:
      ARROW_RETURN_NOT_OK(
          AddNumbers(cells, static_cast<size_t>(type->byte_width()), &buffers));
  }
  return arrow::MakeArray(arrow::ArrayData::Make(type, static_cast<int64_t>(cells.size()),
                                                 std::move(buffers), nulls));
}

}  // namespace

Result<std::shared_ptr<arrow::Array>> ArrayOfCell(const std::shared_ptr<arrow::DataType>& type,
                                                  const Cell& cell) {
  return ArrayOf(type, {.cells = {&cell, 1}});
}

Result<std::shared_ptr<arrow::RecordBatch>> BatchOfCells(
    const std::shared_ptr<arrow::Schema>& schema, std::span<const Cell> cells) {
  const auto width = static_cast<size_t>(schema->num_fields());
  arrow::ArrayVector columns;
  columns.reserve(width);
  for (size_t column = 0; column < width; ++column) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                          ArrayOf(schema->field(static_cast<int>(column))->type(),
                                  {.cells = cells, .first = column, .stride = width}));
  }
  const size_t rows = width == 0 ? 1 : cells.size() / width;
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows), std::move(columns));
}

}  // namespace tercet
