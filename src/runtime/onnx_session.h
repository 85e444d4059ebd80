#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// One input or output of a model.
struct OnnxTensor {
  std::string name;
  std::shared_ptr<arrow::DataType> type;  ///< of an element
  std::vector<int64_t> shape;             ///< −1 where the model leaves a dimension open

  bool words() const { return type->id() == arrow::Type::STRING; }
  /// Of a number; a boolean takes a byte.
  int64_t element_bytes() const {
    return type->id() == arrow::Type::BOOL ? 1 : type->byte_width();
  }
};

/// A tensor to run a model on, row-major; only one of the two is set. Not owned.
struct OnnxInput {
  const uint8_t* numbers = nullptr;
  const std::string* words = nullptr;
  std::vector<int64_t> shape;  ///< rows first
};

/// A tensor that a model gave, row-major.
struct OnnxOutput {
  std::vector<uint8_t> numbers;
  std::vector<std::string> words;
  std::vector<int64_t> shape;  ///< rows first

  /// Elements a row.
  int64_t width() const;
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

  /// Runs the model on `rows` rows, one tensor for each input; gives one for each output.
  /// ExecutionError when it fails, or an output is not of so many rows.
  Result<std::vector<OnnxOutput>> Run(const std::vector<OnnxInput>& inputs, int64_t rows) const;

 private:
  class Impl;
  OnnxSession();
  std::unique_ptr<Impl> impl_;
  std::vector<OnnxTensor> inputs_, outputs_;
};

}  // namespace tercet
