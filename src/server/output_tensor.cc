#include <arrow/array/array_binary.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "client/json_rows.h"
#include "server/tensor.h"

namespace tercet {
namespace {

/// The quiet NaN of half precision that NumPy writes.
constexpr uint16_t kHalfNan = 0x7e00;

void AppendSized(std::string_view text, std::string* out) {
  const auto size = static_cast<uint32_t>(text.size());
  out->append(reinterpret_cast<const char*>(&size), sizeof(size));
  out->append(text);
}

void AppendNumber(int64_t number, std::string* out) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof(text), number).ptr);
}

template <typename ArrayType>
Status AppendNumbers(const OutputTensor& tensor, TensorNulls nulls, std::string* out) {
  using Value = typename ArrayType::value_type;
  const auto& values = static_cast<const ArrayType&>(*tensor.values);
  for (int64_t i = 0; i < values.length(); ++i) {
    Value value = values.Value(i);
    if (values.IsNull(i)) {
      if constexpr (std::is_floating_point_v<Value>) {
        value = std::numeric_limits<Value>::quiet_NaN();
      } else if (nulls == TensorNulls::kZero) {
        value = 0;
      } else {
        return Status::Invalid("output '", tensor.name, "' has a null in row ", i,
                               ", which binary tensors of ", tensor.datatype,
                               " can't say; ask for JSON");
      }
    }
    out->append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return Status::OK();
}

Status AppendHalves(const OutputTensor& tensor, std::string* out) {
  const auto& values = static_cast<const arrow::HalfFloatArray&>(*tensor.values);
  for (int64_t i = 0; i < values.length(); ++i) {
    const uint16_t bits = values.IsNull(i) ? kHalfNan : values.Value(i);
    out->append(reinterpret_cast<const char*>(&bits), sizeof(bits));
  }
  return Status::OK();
}

Status AppendBools(const OutputTensor& tensor, TensorNulls nulls, std::string* out) {
  const auto& values = static_cast<const arrow::BooleanArray&>(*tensor.values);
  for (int64_t i = 0; i < values.length(); ++i) {
    const bool null = values.IsNull(i);
    if (null && nulls == TensorNulls::kRefuse) {
      return Status::Invalid("output '", tensor.name, "' has a null in row ", i,
                             ", which binary tensors of BOOL can't say; ask for JSON");
    }
    out->push_back(!null && values.Value(i) ? 1 : 0);
  }
  return Status::OK();
}

std::string_view ElementDatatypeOf(const arrow::DataType& type) {
  return arrow::is_nested(type.id()) ? "BYTES" : DatatypeOf(type);
}

/// The values of a column of lists, which must be equally long; nothing for other columns. What is
/// nested deeper is JSON's text.
template <typename ListArray>
Result<OutputTensor> FromLists(const std::string& name, const ListArray& lists) {
  const int64_t rows = lists.length();
  const int64_t width = rows == 0 ? 0 : lists.value_length(0);
  for (int64_t row = 0; row < rows; ++row) {
    if (lists.IsNull(row) || lists.value_length(row) != width) {
      return Status::NotImplemented("output '", name,
                                    "' has lists of unequal lengths, which no "
                                    "tensor can hold");
    }
  }
  OutputTensor tensor;
  tensor.name = name;
  tensor.shape = {rows, width};
  tensor.values = lists.values()->Slice(rows == 0 ? 0 : lists.value_offset(0), rows * width);
  tensor.datatype = ElementDatatypeOf(*tensor.values->type());
  return tensor;
}

}  // namespace

std::string_view DatatypeOf(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return "BOOL";
    case arrow::Type::INT8:
      return "INT8";
    case arrow::Type::INT16:
      return "INT16";
    case arrow::Type::INT32:
      return "INT32";
    case arrow::Type::INT64:
      return "INT64";
    case arrow::Type::UINT8:
      return "UINT8";
    case arrow::Type::UINT16:
      return "UINT16";
    case arrow::Type::UINT32:
      return "UINT32";
    case arrow::Type::UINT64:
      return "UINT64";
    case arrow::Type::HALF_FLOAT:
      return "FP16";
    case arrow::Type::FLOAT:
      return "FP32";
    case arrow::Type::DOUBLE:
      return "FP64";
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
      return ElementDatatypeOf(*type.field(0)->type());
    default:
      return "BYTES";
  }
}

Result<OutputTensor> TensorOf(const std::string& name,
                              const std::shared_ptr<arrow::Array>& column) {
  switch (column->type_id()) {
    case arrow::Type::LIST:
      return FromLists(name, static_cast<const arrow::ListArray&>(*column));
    case arrow::Type::LARGE_LIST:
      return FromLists(name, static_cast<const arrow::LargeListArray&>(*column));
    case arrow::Type::FIXED_SIZE_LIST:
      return FromLists(name, static_cast<const arrow::FixedSizeListArray&>(*column));
    default:
      return OutputTensor{.name = name,
                          .datatype = DatatypeOf(*column->type()),
                          .shape = {column->length()},
                          .values = column};
  }
}

void AppendTensorJson(const OutputTensor& tensor, std::string* out) {
  out->push_back('[');
  for (int64_t i = 0; i < tensor.values->length(); ++i) {
    if (i > 0) out->push_back(',');
    if (arrow::is_nested(tensor.values->type_id()) && tensor.values->IsValid(i)) {
      AppendJsonText(CellText(*tensor.values, i), out);
    } else {
      AppendJsonCell(*tensor.values, i, out);
    }
  }
  out->push_back(']');
}

void AppendTensorHead(std::string_view name, std::string_view datatype,
                      const std::vector<int64_t>& shape, std::string* out) {
  out->append("{\"name\":");
  AppendJsonText(name, out);
  out->append(",\"datatype\":\"");
  out->append(datatype);
  out->append("\",\"shape\":[");
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out->push_back(',');
    AppendNumber(shape[i], out);
  }
  out->push_back(']');
}

void AppendBinarySize(size_t bytes, std::string* out) {
  out->append(",\"parameters\":{\"binary_data_size\":");
  AppendNumber(static_cast<int64_t>(bytes), out);
  out->push_back('}');
}

Status AppendTensorBytes(const OutputTensor& tensor, std::string* out, TensorNulls nulls) {
  const arrow::Array& values = *tensor.values;
  switch (values.type_id()) {
    case arrow::Type::BOOL:
      return AppendBools(tensor, nulls, out);
    case arrow::Type::INT8:
      return AppendNumbers<arrow::Int8Array>(tensor, nulls, out);
    case arrow::Type::INT16:
      return AppendNumbers<arrow::Int16Array>(tensor, nulls, out);
    case arrow::Type::INT32:
      return AppendNumbers<arrow::Int32Array>(tensor, nulls, out);
    case arrow::Type::INT64:
      return AppendNumbers<arrow::Int64Array>(tensor, nulls, out);
    case arrow::Type::UINT8:
      return AppendNumbers<arrow::UInt8Array>(tensor, nulls, out);
    case arrow::Type::UINT16:
      return AppendNumbers<arrow::UInt16Array>(tensor, nulls, out);
    case arrow::Type::UINT32:
      return AppendNumbers<arrow::UInt32Array>(tensor, nulls, out);
    case arrow::Type::UINT64:
      return AppendNumbers<arrow::UInt64Array>(tensor, nulls, out);
    case arrow::Type::HALF_FLOAT:
      return AppendHalves(tensor, out);
    case arrow::Type::FLOAT:
      return AppendNumbers<arrow::FloatArray>(tensor, nulls, out);
    case arrow::Type::DOUBLE:
      return AppendNumbers<arrow::DoubleArray>(tensor, nulls, out);
    case arrow::Type::BINARY:
      for (int64_t i = 0; i < values.length(); ++i) {
        AppendSized(static_cast<const arrow::BinaryArray&>(values).GetView(i), out);
      }
      return Status::OK();
    default:
      for (int64_t i = 0; i < values.length(); ++i) AppendSized(CellText(values, i), out);
      return Status::OK();
  }
}

}  // namespace tercet
