#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "inference/deployment_book.h"
#include "inference/loaded_release.h"

namespace tercet {

struct BatchLimits {
  int64_t rows = 0;     ///< of a call; a request with more has a call of its own
  int64_t wait_us = 0;  ///< that a request waits for others, however busy the model is
  int64_t calls = 1;    ///< so many at once keep the model busy
};

/// Answers requests that come at once by one call of the model, and gives each its rows.
///
/// Nobody waits while the model has room for a call. While it is busy, requests gather; when a call
/// ends, or the first of them has waited long enough, they go together. So batches grow with the
/// load by themselves, a lone request is as fast as ever, and no clock has to be guessed (Clipper,
/// NSDI 2017, tunes sizes; gathering under load needs no tuning where a call is one at a time).
///
/// A row's answer does not depend on the batch that it comes in, which the runtime sees to
/// (runtime/onnx_graph.h); of a predictor class it is its author's part. When a call fails, each of
/// its requests is asked alone, so that one cannot spoil the others. Thread-safe.
class AdaptiveBatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Batch = std::shared_ptr<arrow::RecordBatch>;
  using Call = std::function<Result<Batch>(const arrow::RecordBatch& inputs,
                                           const std::optional<TimePoint>& deadline)>;
  /// Told of each call: its requests and rows, and the time that its requests waited together.
  using Count = std::function<void(int64_t requests, int64_t rows, int64_t wait_ns)>;

  AdaptiveBatch(std::shared_ptr<const LoadedRelease> loaded, int64_t number,
                const BatchLimits& limits, std::shared_ptr<DeploymentBook> book);
  AdaptiveBatch(Call call, Count count, const BatchLimits& limits)
      : call_(std::move(call)), count_(std::move(count)), limits_(limits) {}

  /// The model's answer to these rows. TooLate when the deadline comes while it waits.
  Result<Batch> Predict(const Batch& inputs, const std::optional<TimePoint>& deadline);

 private:
  struct Request {
    Batch inputs;
    std::optional<TimePoint> deadline;
    TimePoint begun;
    Result<Batch> answer = Status::UnknownError("it was not asked");
  };
  /// Requests that go together. Members are guarded by mutex_, answers until `done`.
  struct Group {
    std::vector<std::shared_ptr<Request>> requests;
    int64_t rows = 0;
    bool full = false;
    bool done = false;
    std::condition_variable changed;
  };

  void Ask(Group* group);

  const Call call_;
  const Count count_;
  const BatchLimits limits_;
  std::mutex mutex_;
  std::shared_ptr<Group> gathering_;  ///< guarded by mutex_; null when nobody waits
  int64_t running_ = 0;               ///< guarded by mutex_; calls under way
};

}  // namespace tercet
