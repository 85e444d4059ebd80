#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <arrow/record_batch.h>

#include "catalog/model.h"
#include "compute/transformation.h"
#include "inference/release_rows.h"
#include "registry/registry.h"
#include "runtime/predictor.h"
#include "view/feature_views.h"

namespace tercet {

/// A release made ready to answer: its view resolved, its transformations bound, its model's files
/// checked against their content addresses and loaded. Never changes. Thread-safe.
class LoadedRelease {
 public:
  /// IOError for missing or corrupt files, KeyError for a group that is gone.
  static Result<std::shared_ptr<const LoadedRelease>> Load(const Release& release,
                                                           FeatureViews* views,
                                                           Registry* registry,
                                                           const PredictorOptions& options);

  const Release& release() const { return release_; }
  /// Null for a model that takes its inputs straight from the request.
  const ViewPlan* plan() const { return plan_.get(); }
  const Signature& signature() const { return release_.signature; }

  /// What the model is given for these view features (the plan's feature_schema): transformed and
  /// in the order of the signature's inputs. The one function for batch and online.
  Result<std::shared_ptr<arrow::RecordBatch>> InputsOf(
      const std::shared_ptr<arrow::RecordBatch>& features) const;

  /// The signature's inputs from a request that brings them itself. Invalid for one that is missing
  /// or unknown, with a suggestion; TypeError for one of another type.
  Result<std::shared_ptr<arrow::RecordBatch>> InputsFrom(const arrow::RecordBatch& request) const;

  /// n rows of inputs → n rows of outputs. ExecutionError when the model fails, TooLate when a
  /// worker has not answered by the deadline.
  Result<std::shared_ptr<arrow::RecordBatch>> Predict(
      const arrow::RecordBatch& inputs,
      const std::optional<std::chrono::steady_clock::time_point>& deadline = std::nullopt) const;
  /// The same with raw predictions behind the outputs, where there are any (Predictor::PredictBy).
  Result<std::shared_ptr<arrow::RecordBatch>> PredictWithRaw(
      const arrow::RecordBatch& inputs,
      const std::optional<std::chrono::steady_clock::time_point>& deadline) const;

  /// The short way of one row; null when it takes a batch (ReleaseRows::Make).
  const ReleaseRows* rows() const { return rows_.get(); }
  /// What a row brings the short way.
  const std::shared_ptr<arrow::Schema>& row_schema() const { return row_schema_; }

  /// Sees to the workers of the model's class and of the view's Python functions, and waits until
  /// they have loaded.
  Status Reserve(const WorkerLimits& limits) const;
  /// Whether the model still answers as it did when it was registered: ProveWarmUp.
  Status WarmUp() const;
  bool has_warm_up() const { return !warm_up_.empty(); }
  /// A predictor class may answer by the clock, its process or the machine; no other model may.
  bool must_repeat() const { return repeats_; }
  /// How many calls keep the model busy: one a worker of a predictor class, else one a core.
  int64_t calls_at_once(int64_t workers) const {
    return format_ == ModelFormat::kPython
               ? workers
               : std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  }
  /// One call of many rows costs clearly less than many calls of one: what a call itself costs is
  /// much beside what a row does.
  bool gains_by_batches() const {
    return format_ == ModelFormat::kPython || format_ == ModelFormat::kOnnx;
  }

 private:
  LoadedRelease() = default;
  Status BindView(FeatureViews* views);

  Release release_;
  std::shared_ptr<const ViewPlan> plan_;
  std::shared_ptr<const TransformationPlan> transformations_;
  std::vector<int> input_columns_;  ///< of the transformed features, in the signature's order
  std::shared_ptr<arrow::Schema> input_schema_;
  bool as_read_ = false;  ///< the inputs are the view's features, in their order
  ModelFormat format_ = ModelFormat::kOnnx;
  bool repeats_ = true;
  json::object warm_up_;
  std::unique_ptr<Predictor> predictor_;
  std::shared_ptr<const ReleaseRows> rows_;
  std::shared_ptr<arrow::Schema> row_schema_;
};

}  // namespace tercet
