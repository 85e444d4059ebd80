#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// Numbers or words of one tensor, row-major. Booleans are bytes.
using OnnxValues = std::variant<std::vector<float>, std::vector<double>, std::vector<int64_t>,
                                std::vector<int32_t>, std::vector<uint8_t>,
                                std::vector<std::string>>;

/// One input or output of a model.
struct OnnxTensor {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  std::vector<int64_t> shape;  ///< −1 where the model leaves a dimension open

  /// An empty list of this tensor's type.
  OnnxValues Values(size_t count) const;
};

/// A model in ONNX Runtime: the one place that knows its interface. Thread-safe.
class OnnxSession {
 public:
  /// IOError when the file is corrupt or asks for operators that there are not; NotImplemented for
  /// inputs or outputs that are not plain tensors.
  static Result<std::unique_ptr<OnnxSession>> Open(const std::string& path);
  ~OnnxSession();

  const std::vector<OnnxTensor>& inputs() const { return inputs_; }
  const std::vector<OnnxTensor>& outputs() const { return outputs_; }

  /// Runs rows [begin, begin + rows) of the input values, `widths[i]` numbers a row of input i.
  /// Returns each output's values and how many a row. ExecutionError when the model fails.
  struct Answer {
    std::vector<OnnxValues> values;
    std::vector<int64_t> widths;
  };
  Result<Answer> Run(const std::vector<OnnxValues>& values, const std::vector<int64_t>& widths,
                     int64_t begin, int64_t rows) const;

 private:
  class Impl;
  OnnxSession();
  std::unique_ptr<Impl> impl_;
  std::vector<OnnxTensor> inputs_, outputs_;
};

}  // namespace tercet
