#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "catalog/row_predictor.h"
#include "platform/platform.h"

namespace tercet {

/// A few rows that were predicted the short way.
struct RowAnswer {
  std::shared_ptr<const RowPredictor> predictor;  ///< null: they were not; batches answer
  const RowPrediction* prediction = nullptr;      ///< of this thread, until its next request

  explicit operator bool() const { return predictor != nullptr; }
  const std::shared_ptr<arrow::Schema>& schema() const { return predictor->outputs(); }
  size_t rows() const { return prediction->outputs.size() / width(); }
  std::span<const Cell> row(size_t index) const {
    return std::span(prediction->outputs).subspan(index * width(), width());
  }

 private:
  size_t width() const { return static_cast<size_t>(schema()->num_fields()); }
};

/// Answers the rows that `read(needed, most, cells, numbers)` makes cells of, each just what the
/// deployment asks for; its false is a request that takes more. No such answer, either, where the
/// release or the store takes more. Errors are those of a batch.
template <typename Read>
Result<RowAnswer> AnswerRows(Platform* platform, const std::string& deployment,
                             std::optional<int64_t> event_time_us, std::string request_id,
                             const Read& read) {
  RowAnswer answer;
  ARROW_ASSIGN_OR_RAISE(auto predictor, platform->PredictorOf(deployment));
  if (predictor == nullptr) return answer;
  thread_local std::vector<Cell> cells;
  thread_local std::vector<uint64_t> numbers;
  thread_local RowPrediction prediction;
  if (!read(*predictor->entities(), RowPredictor::kMostRows, &cells, &numbers)) return answer;
  prediction.request_id = std::move(request_id);
  ARROW_ASSIGN_OR_RAISE(const bool answered,
                        predictor->Predict(cells, event_time_us, &prediction));
  if (answered) answer = {std::move(predictor), &prediction};
  return answer;
}

}  // namespace tercet
