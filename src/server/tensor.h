#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/array.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Tensors of the Open Inference Protocol, version 2, as columns: shapes [n] and [n, 1], [n, k] for
/// columns of lists; datatypes BOOL, INT8–64, UINT8–64, FP16, FP32, FP64 and BYTES.

/// One input of a request. Views into the request's body.
struct InputTensor {
  std::string name;
  std::string datatype;
  int64_t rows = 0;
  int64_t width = 1;                       ///< values a row
  const json::value* data = nullptr;       ///< nested or flat JSON; null when binary
  std::optional<std::string_view> binary;  ///< little-endian, row-major
};

/// The leaves of nested arrays, in row-major order, behind those that are there.
void FlattenJson(const json::value& data, std::vector<const json::value*>* leaves);

/// The tensor as a column of `type`, converted without loss: any number into a number column,
/// BYTES into text, times (ISO 8601), dates and decimals, INT64 microseconds into timestamps, rows
/// of several values into lists.
/// TypeError when it does not fit, Invalid when its data is not what its shape says.
Result<std::shared_ptr<arrow::Array>> ColumnOf(const InputTensor& tensor,
                                               const std::shared_ptr<arrow::DataType>& type);

/// The columns of a matrix, as many as `columns` has (`tensor.width`), each converted to its
/// column's type. Fails as ColumnOf does, naming the column.
Result<std::vector<std::shared_ptr<arrow::Array>>> ColumnsOf(const InputTensor& tensor,
                                                             const arrow::Schema& columns);

/// The datatype that a column's values travel as; "BYTES" for all that has no number type.
std::string_view DatatypeOf(const arrow::DataType& type);

/// An output column as a tensor. Lists of equal length become a second dimension.
struct OutputTensor {
  std::string name;
  std::string_view datatype;
  std::vector<int64_t> shape;
  std::shared_ptr<arrow::Array> values;  ///< flat
};
Result<OutputTensor> TensorOf(const std::string& name, const std::shared_ptr<arrow::Array>& column);

/// "[1.5,null,…]".
void AppendTensorJson(const OutputTensor& tensor, std::string* out);
/// Of nulls that a tensor can't say: those of integers and booleans.
enum class TensorNulls : uint8_t { kRefuse, kZero };
/// Little-endian, row-major. Nulls of floats are NaN, of texts empty; Invalid for others that are
/// refused.
Status AppendTensorBytes(const OutputTensor& tensor, std::string* out,
                         TensorNulls nulls = TensorNulls::kRefuse);

/// An answer's output: "{"name":…,"datatype":…,"shape":[…]", and for a binary one
/// ","parameters":{"binary_data_size":…}" after it; the closing brace is the caller's.
void AppendTensorHead(std::string_view name, std::string_view datatype,
                      const std::vector<int64_t>& shape, std::string* out);
void AppendBinarySize(size_t bytes, std::string* out);

}  // namespace tercet
