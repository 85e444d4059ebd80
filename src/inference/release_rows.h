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

/// A loaded release on a few rows, from the cells of a request to those of the model's outputs: the
/// rows' features are read, computed and transformed in place, and given straight to the model. The
/// same instructions as those of batches, so the same bits. Cells are row by row; a request without
/// any is one row. Immutable, thread-safe.
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

  /// How many rows a request's cells are.
  size_t RowsOf(std::span<const Cell> entities) const {
    return entity_columns_ == 0 ? 1 : entities.size() / entity_columns_;
  }

  /// Reads the rows' features into the vector of `prediction`. False where `online` does not answer
  /// in this way.
  Result<bool> Features(VectorRows* online, std::span<const Cell> entities, int64_t event_time_us,
                        RowPrediction* prediction) const;
  /// The model's inputs for what Features read, or for a request that brings them. They stay until
  /// the next call with this `prediction`.
  Result<std::span<const Cell>> Inputs(std::span<const Cell> entities,
                                       RowPrediction* prediction) const;
  /// `rows` rows of inputs to so many of `outputs` columns.
  void Predict(std::span<const Cell> inputs, size_t rows, size_t outputs,
               RowPrediction* prediction) const;

 private:
  View view_;
  size_t entity_columns_ = 0;  ///< that a row of a request brings
  std::shared_ptr<const VectorLookup> lookup_;  ///< null without a view
  std::shared_ptr<const RowModel> model_;
};

}  // namespace tercet
