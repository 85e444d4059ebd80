#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <arrow/record_batch.h>

#include "base/arena.h"
#include "base/cell.h"
#include "base/result.h"
#include "catalog/model.h"
#include "catalog/worker_limits.h"

namespace tercet {

/// A model that answers one row in place. Immutable, thread-safe.
class RowModel {
 public:
  virtual ~RowModel() = default;
  /// `inputs`: cells of the types that it was made for. `answers`: room for a cell for each output;
  /// they stay as long as what was taken from `memory`.
  virtual void Predict(std::span<const Cell> inputs, Arena* memory,
                       std::span<Cell> answers) const = 0;
};

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
  /// The same for one row of such inputs, with the same bits. Null where the model or the types
  /// have no such way.
  virtual std::shared_ptr<const RowModel> ForRows(const arrow::Schema& /*inputs*/) const {
    return nullptr;
  }
  /// The same for a caller who waits until `deadline`: TooLate when a worker has not answered by
  /// then, and it is replaced. A model that is evaluated in this process is not interrupted. Behind
  /// the signature's outputs may come more columns, what was predicted before a class's postprocess
  /// changed it: numbers as doubles, booleans or texts, named as the class or the outputs are.
  virtual Result<std::shared_ptr<arrow::RecordBatch>> PredictBy(
      const arrow::RecordBatch& features,
      const std::optional<std::chrono::steady_clock::time_point>& /*deadline*/) {
    return Predict(features);
  }
  /// Sees to the workers of a predictor class, and waits until they have loaded. Nothing to do for
  /// models that are evaluated in this process.
  virtual Status Reserve(const WorkerLimits& /*limits*/) { return Status::OK(); }
  /// Whether it only changes what another model has predicted (python_predictor.h).
  virtual bool is_postprocess() const { return false; }
};

struct PredictorOptions {
  std::string python = "python3";       ///< interpreter for predictor classes
  /// Where environments of classes that have a requirements.txt are made and kept
  /// (python_environment.h); empty: none is made, and `python` must meet the requirements.
  std::string environments;
  WorkerLimits workers;                 ///< until Reserve says otherwise
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
