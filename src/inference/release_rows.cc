#include "inference/release_rows.h"

namespace tercet {

std::shared_ptr<const ReleaseRows> ReleaseRows::Make(const View& view, const arrow::Schema& inputs,
                                                     const Predictor& predictor) {
  auto rows = std::make_shared<ReleaseRows>();
  rows->view_ = view;
  rows->model_ = predictor.ForRows(inputs);
  if (rows->model_ == nullptr) return nullptr;
  const auto columns_of = [](const arrow::Schema& schema) {
    return static_cast<size_t>(schema.num_fields());
  };
  rows->entity_columns_ = columns_of(view.plan == nullptr ? inputs : *view.plan->entity_schema());
  if (view.plan == nullptr) return rows;
  rows->lookup_ = VectorLookup::Make(view.plan);
  const bool in_place =
      rows->lookup_ != nullptr && (view.as_read || view.transformations->takes_cells());
  return in_place ? rows : nullptr;
}

Result<bool> ReleaseRows::Features(VectorRows* online, std::span<const Cell> entities,
                                   int64_t event_time_us, RowPrediction* prediction) const {
  prediction->missing.clear();
  if (lookup_ != nullptr) {
    return lookup_->Read(online, entities, event_time_us, &prediction->vector);
  }
  prediction->vector.memory.Reset();
  prediction->vector.features.assign(entities.begin(), entities.end());
  prediction->vector.status.assign(entities.size(), RowStatus::kPresent);
  return true;
}

Result<std::span<const Cell>> ReleaseRows::Inputs(std::span<const Cell> entities,
                                                  RowPrediction* prediction) const {
  if (lookup_ == nullptr) return entities;
  const std::span<const Cell> features = prediction->vector.features;
  if (view_.as_read) return features;
  Arena* memory = &prediction->vector.memory;
  const size_t rows = RowsOf(entities);
  const size_t width = features.size() / rows;
  const auto columns = static_cast<size_t>(view_.transformations->output_schema()->num_fields());
  const size_t count = view_.input_columns.size();
  auto* inputs = memory->TakeArray<Cell>(rows * count);
  auto* transformed = memory->TakeArray<Cell>(columns);
  for (size_t row = 0; row < rows; ++row) {
    ARROW_RETURN_NOT_OK(view_.transformations->ApplyRow(features.subspan(row * width, width),
                                                        memory, {transformed, columns}));
    for (size_t i = 0; i < count; ++i) {
      inputs[row * count + i] = transformed[view_.input_columns[i]];
    }
  }
  return std::span<const Cell>(inputs, rows * count);
}

void ReleaseRows::Predict(std::span<const Cell> inputs, size_t rows, size_t outputs,
                          RowPrediction* prediction) const {
  prediction->outputs.resize(rows * outputs);
  const size_t width = inputs.size() / rows;
  const std::span<Cell> answers = prediction->outputs;
  for (size_t row = 0; row < rows; ++row) {
    model_->Predict(inputs.subspan(row * width, width), &prediction->vector.memory,
                    answers.subspan(row * outputs, outputs));
  }
}

}  // namespace tercet
