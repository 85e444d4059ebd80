#include "platform/local_batch_predictions.h"

#include <utility>

#include <arrow/table.h>

#include "base/interrupt.h"
#include "base/time_text.h"
#include "inference/batch.h"

namespace tercet {
namespace {

/// A stream's answers as batches, for who takes them by itself.
class AnswerReader : public arrow::RecordBatchReader {
 public:
  /// `first`: what the stream has given already.
  AnswerReader(Frame first, std::unique_ptr<BatchStream> stream)
      : schema_(first->schema()), stream_(std::move(stream)), piece_(std::move(first)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    while (piece_ != nullptr) {
      if (batches_ == nullptr) batches_ = std::make_unique<arrow::TableBatchReader>(*piece_);
      ARROW_RETURN_NOT_OK(batches_->ReadNext(batch));
      if (*batch != nullptr) return Status::OK();
      batches_.reset();
      ARROW_RETURN_NOT_OK(CheckInterrupt());
      ARROW_ASSIGN_OR_RAISE(piece_, stream_->Next());
    }
    return Status::OK();
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  const std::unique_ptr<BatchStream> stream_;
  Frame piece_;
  std::unique_ptr<arrow::TableBatchReader> batches_;  ///< of piece_
};

json::value TextOrNull(const std::optional<int64_t>& time_us) {
  return time_us ? json::value(FormatTime(*time_us)) : json::value(nullptr);
}

}  // namespace

Result<std::unique_ptr<BatchStream>> LocalBatchPredictions::Open(const BatchRequest& request,
                                                                 const Progress& progress,
                                                                 int64_t memory_limit_bytes) {
  return inference_->Stream(request.model, {.start_us = request.start_us,
                                            .end_us = request.end_us,
                                            .spine = request.spine,
                                            .memory_limit_bytes = memory_limit_bytes,
                                            .progress = progress});
}

Status LocalBatchPredictions::ToEach(const BatchRequest& request, const Progress& progress,
                                     const Take& take) {
  ARROW_ASSIGN_OR_RAISE(const auto stream, Open(request, progress, memory_limit_bytes_));
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const Frame piece, stream->Next());
    if (piece == nullptr) return Status::OK();
    ARROW_RETURN_NOT_OK(take(piece));
  }
}

Result<Commit> LocalBatchPredictions::ToGroup(const BatchRequest& request, const Ref& group,
                                              const InsertRequest& insert,
                                              const Progress& progress) {
  // The insert sorts what it is given within a limit of its own; together they keep to one.
  ARROW_ASSIGN_OR_RAISE(auto stream, Open(request, progress, memory_limit_bytes_ / 2));
  ARROW_ASSIGN_OR_RAISE(Frame first, stream->Next());
  return platform_->Insert(
      group, std::make_shared<AnswerReader>(std::move(first), std::move(stream)), insert);
}

Result<Run> LocalBatchPredictions::StartToGroup(const BatchRequest& request, const Ref& group,
                                                const InsertRequest& insert) {
  ARROW_RETURN_NOT_OK(CheckStartable(request));
  ARROW_ASSIGN_OR_RAISE(const ModelDefinition model, platform_->GetModel(request.model));
  ARROW_ASSIGN_OR_RAISE(const FeatureGroupDefinition target, platform_->GetFeatureGroup(group));
  // "The newest" may be others by the time it is done.
  BatchRequest pinned = request;
  pinned.model = model.ref();
  Run run;
  run.name = "batch";
  run.parameters = {{"model", model.ref().ToText()},
                    {"into", target.ref().ToText()},
                    {"start", TextOrNull(request.start_us)},
                    {"end", TextOrNull(request.end_us)},
                    {"idempotency_key", insert.idempotency_key}};
  run.metrics = {{"progress", 0.0}};
  run.inputs = {"model " + model.ref().ToText()};
  return runs_.Start(run, [this, pinned, into = target.ref(), insert](const Progress& progress) {
    return ToGroup(pinned, into, insert, progress);
  });
}

}  // namespace tercet
