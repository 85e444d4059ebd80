#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "inference/deployment_book.h"
#include "inference/loaded_release.h"

namespace tercet {

/// Asks releases that only watch, after the answer was given: one thread behind a bounded queue,
/// started by the first question. What does not fit into the queue is counted as dropped.
/// Thread-safe.
class ShadowRunner {
 public:
  struct Question {
    std::shared_ptr<const LoadedRelease> loaded;
    int64_t number = 0;  ///< of the release within its deployment
    std::shared_ptr<DeploymentBook> book;
    std::shared_ptr<arrow::RecordBatch> entities;
    int64_t event_time_us = 0;
    std::shared_ptr<arrow::RecordBatch> given;  ///< the outputs that were answered
  };
  using Answer = std::function<Result<std::shared_ptr<arrow::RecordBatch>>(const Question&)>;

  explicit ShadowRunner(Answer answer) : answer_(std::move(answer)) {}
  /// Leaves what still waits.
  ~ShadowRunner();

  void Offer(Question question);

 private:
  static constexpr size_t kQueued = 256;
  void Run();

  const Answer answer_;
  std::mutex mutex_;
  std::condition_variable offered_;
  std::deque<Question> queue_;  ///< guarded by mutex_
  bool stopping_ = false;       ///< guarded by mutex_
  std::thread thread_;          ///< guarded by mutex_ until it is joined
};

}  // namespace tercet
