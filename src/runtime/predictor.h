#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "catalog/model.h"

namespace tercet {

/// Evaluates a model that is not ours. Thread-safe.
class Predictor {
 public:
  virtual ~Predictor() = default;
  virtual const Signature& signature() const = 0;
  /// n rows of the signature's inputs → n rows of its outputs. Inputs are matched by position
  /// after the caller has arranged them by name; numbers are cast to what the model takes, nulls
  /// are NaN for trees and float inputs, an error otherwise. ExecutionError when the model fails.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> Predict(
      const arrow::RecordBatch& features) = 0;
  /// Makes sure that at least so many calls are answered at once. Nothing to do for models that are
  /// evaluated in this process; a predictor class then has that many workers.
  virtual Status Reserve(int64_t /*workers*/) { return Status::OK(); }
};

struct PredictorOptions {
  std::string python = "python3";       ///< interpreter for predictor classes
  int64_t timeout_us = 30'000'000;      ///< of one call into a worker; then it is restarted
  int64_t memory_limit_bytes = 4LL << 30;  ///< address space of a worker
};

/// Loads the model files in `directory`: "model.json"/"model.ubj" (XGBoost), "model.txt"
/// (LightGBM), "model.onnx", or "predictor.py"-style files with a "predictor.json" that names the
/// class (Python). Trees and ONNX run in process; a predictor class in a supervised worker process
/// that is restarted when it dies. IOError for corrupt files; Invalid when the files don't fit the
/// signature.
Result<std::unique_ptr<Predictor>> LoadPredictor(ModelFormat format, const std::string& directory,
                                                 const Signature& signature,
                                                 const PredictorOptions& options = {});

/// What the files themselves say of their inputs and outputs (names where they have them), for
/// registering a model without a given signature. Not for Python predictors: Invalid.
Result<Signature> InferSignature(ModelFormat format, const std::string& directory);

}  // namespace tercet
