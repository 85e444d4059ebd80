#include "inference/release_rows.h"

namespace tercet {

std::shared_ptr<const ReleaseRows> ReleaseRows::Make(const View& view, const arrow::Schema& inputs,
                                                     const Predictor& predictor) {
  auto rows = std::make_shared<ReleaseRows>();
  rows->view_ = view;
  rows->model_ = predictor.ForRows(inputs);
  if (rows->model_ == nullptr) return nullptr;
  if (view.plan == nullptr) return rows;
  rows->lookup_ = VectorLookup::Make(view.plan);
  const bool in_place =
      rows->lookup_ != nullptr && (view.as_read || view.transformations->takes_cells());
  return in_place ? rows : nullptr;
}

Result<bool> ReleaseRows::Features(OnlineRows* online, std::span<const Cell> entity,
                                   int64_t event_time_us, RowPrediction* prediction) const {
  prediction->missing.clear();
  if (lookup_ != nullptr) {
    return lookup_->Read(online, entity, event_time_us, &prediction->vector);
  }
  prediction->vector.memory.Reset();
  prediction->vector.features.assign(entity.begin(), entity.end());
  prediction->vector.status.assign(entity.size(), RowStatus::kPresent);
  return true;
}

Result<std::span<const Cell>> ReleaseRows::Inputs(std::span<const Cell> entity,
                                                  RowPrediction* prediction) const {
  if (lookup_ == nullptr) return entity;
  const std::span<const Cell> features = prediction->vector.features;
  if (view_.as_read) return features;
  Arena* memory = &prediction->vector.memory;
  const auto columns = static_cast<size_t>(view_.transformations->output_schema()->num_fields());
  auto* transformed = memory->TakeArray<Cell>(columns);
  ARROW_RETURN_NOT_OK(
      view_.transformations->ApplyRow(features, memory, {transformed, columns}));
  const size_t count = view_.input_columns.size();
  auto* inputs = memory->TakeArray<Cell>(count);
  for (size_t i = 0; i < count; ++i) inputs[i] = transformed[view_.input_columns[i]];
  return std::span<const Cell>(inputs, count);
}

void ReleaseRows::Predict(std::span<const Cell> inputs, size_t outputs,
                          RowPrediction* prediction) const {
  prediction->outputs.resize(outputs);
  model_->Predict(inputs, &prediction->vector.memory, prediction->outputs);
}

}  // namespace tercet
