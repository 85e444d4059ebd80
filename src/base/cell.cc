#include "base/cell.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>

namespace tercet {

bool IsCellType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION:
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
      return true;
    default:
      return false;
  }
}

Cell CellOf(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return {};
  const auto text = [](std::string_view bytes) {
    // An empty value is not a null, even where the array has no buffer for it.
    return Cell{bytes.data() == nullptr ? "" : bytes.data(), static_cast<uint32_t>(bytes.size())};
  };
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return {static_cast<const arrow::BooleanArray&>(array).Value(row) ? "\1" : "\0", 1};
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return text(static_cast<const arrow::BinaryArray&>(array).GetView(row));
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return text(static_cast<const arrow::LargeBinaryArray&>(array).GetView(row));
    default: {
      const auto width = static_cast<uint32_t>(array.type()->byte_width());
      const auto* values = reinterpret_cast<const char*>(array.data()->buffers[1]->data());
      return {values + (array.offset() + row) * width, width};
    }
  }
}

}  // namespace tercet
