#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "catalog/row_predictor.h"
#include "compute/transformation.h"
#include "runtime/predictor.h"
#include "view/vector_lookup.h"

namespace tercet {

/// A loaded release on single rows, from the cells of a request to those of the model's outputs: a
/// row's features are read, computed and transformed in place, and given straight to the model.
/// The same instructions as those of batches, so the same bits. Immutable, thread-safe.
class ReleaseRows {
 public:
  /// What makes a model's inputs of view features; no view: the inputs come with the request.
  struct View {
    std::shared_ptr<const ViewPlan> plan;
    std::shared_ptr<const TransformationPlan> transformations;
    std::vector<int> input_columns;  ///< of the transformed features, in the model's order
    bool as_read = false;            ///< the inputs are the features, in their order
  };

  /// Null where the view, a transformation or the model takes more than cells. `inputs`: what the
  /// model is given.
  static std::shared_ptr<const ReleaseRows> Make(const View& view, const arrow::Schema& inputs,
                                                 const Predictor& predictor);

  /// The model's inputs, which stay until the next call with this `prediction`; its vector is what
  /// was read. False where `online` does not answer in this way.
  Result<bool> Features(OnlineRows* online, std::span<const Cell> entity, int64_t event_time_us,
                        RowPrediction* prediction) const;
  /// The model's inputs for what Features read, or for a request that brings them.
  Result<std::span<const Cell>> Inputs(std::span<const Cell> entity,
                                       RowPrediction* prediction) const;
  void Predict(std::span<const Cell> inputs, size_t outputs, RowPrediction* prediction) const;

 private:
  View view_;
  std::shared_ptr<const VectorLookup> lookup_;  ///< null without a view
  std::shared_ptr<const RowModel> model_;
};

}  // namespace tercet
