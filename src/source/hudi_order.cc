#include "source/hudi_order.h"

namespace tercet {
namespace {

template <typename ArrayType, typename Value>
HudiOrder ValueOf(const arrow::Array& column, int64_t row) {
  return static_cast<Value>(static_cast<const ArrayType&>(column).Value(row));
}

}  // namespace

std::shared_ptr<arrow::DataType> HudiOrderType(const arrow::DataType& column) {
  switch (column.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::DATE32:
    case arrow::Type::TIMESTAMP: return arrow::int64();
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE: return arrow::float64();
    case arrow::Type::STRING: return arrow::utf8();
    default: return nullptr;
  }
}

HudiOrder HudiOrderOf(const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) return {};
  switch (column.type_id()) {
    case arrow::Type::BOOL: return ValueOf<arrow::BooleanArray, int64_t>(column, row);
    case arrow::Type::INT32: return ValueOf<arrow::Int32Array, int64_t>(column, row);
    case arrow::Type::INT64: return ValueOf<arrow::Int64Array, int64_t>(column, row);
    case arrow::Type::DATE32: return ValueOf<arrow::Date32Array, int64_t>(column, row);
    case arrow::Type::TIMESTAMP: return ValueOf<arrow::TimestampArray, int64_t>(column, row);
    case arrow::Type::FLOAT: return ValueOf<arrow::FloatArray, double>(column, row);
    case arrow::Type::DOUBLE: return ValueOf<arrow::DoubleArray, double>(column, row);
    case arrow::Type::STRING: return ValueOf<arrow::StringArray, std::string>(column, row);
    default: return {};
  }
}

}  // namespace tercet
