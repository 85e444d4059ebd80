#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>

#include "base/result.h"
#include "server/tensor.h"

namespace tercet {

/// An array in NumPy's file format (NEP 1, versions 1 to 3), as SageMaker's clients send and read
/// it ("application/x-npy"). Numbers and booleans, little-endian.
struct NpyArray {
  std::string datatype;        ///< "FP32"
  std::vector<int64_t> shape;  ///< at least one size; none is negative
  std::shared_ptr<arrow::Buffer> values;  ///< row-major; as many as the shape says
};

/// Arrays in Fortran's order are turned. Invalid for what is malformed, or has other than so many
/// bytes; NotImplemented for other types of values.
Result<NpyArray> ReadNpy(std::string_view bytes);

/// NotImplemented for values that are no numbers, Invalid for nulls of integers and booleans.
Result<std::string> WriteNpy(const OutputTensor& tensor);

}  // namespace tercet
