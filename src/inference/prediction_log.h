#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "inference/answered_request.h"
#include "offline/feature_tables.h"

namespace tercet {

/// Keeps answered requests in the feature group of their deployment (prediction_table.h), away from
/// the request path: they wait in a queue that is bounded by bytes, and one thread, started by the
/// first, writes them as one commit every few seconds, or earlier when many wait. What does not fit
/// into the queue is dropped and counted, as is what can't be written. Lost when the process is
/// killed is what waits. Thread-safe.
class PredictionLog {
 public:
  explicit PredictionLog(FeatureTables* tables) : tables_(tables) {}
  /// Writes what waits.
  ~PredictionLog();

  /// Takes a request over. Never waits for the writer.
  void Offer(AnsweredRequest request);

  /// Returns when what was offered before is written: the failure of the write, if it failed.
  Status Flush();

 private:
  using Batch = std::deque<AnsweredRequest>;
  static constexpr int64_t kQueueBytes = 64 << 20;
  static constexpr int64_t kEagerBytes = kQueueBytes / 4;
  static constexpr std::chrono::seconds kInterval{5};

  void Run();
  Status Write(const Batch& batch);

  FeatureTables* const tables_;
  std::mutex mutex_;
  std::condition_variable offered_;  ///< waited for by the writer
  std::condition_variable flushed_;
  Batch queue_;             ///< guarded by mutex_
  int64_t bytes_ = 0;       ///< guarded by mutex_; of queue_
  int64_t wanted_ = 0;      ///< guarded by mutex_; flushes asked for
  int64_t done_ = 0;        ///< guarded by mutex_; flushes done; the newest ended with status_
  Status status_;           ///< guarded by mutex_
  bool stopping_ = false;   ///< guarded by mutex_
  std::thread thread_;      ///< guarded by mutex_ until it is joined
};

}  // namespace tercet
