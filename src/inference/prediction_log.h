#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "inference/answered_request.h"
#include "inference/prediction_sinks.h"
#include "offline/feature_tables.h"

namespace tercet {

/// Keeps answered requests in the feature group of their deployment (prediction_table.h), away from
/// the request path: they wait in a queue that is bounded by bytes, and one thread, started by the
/// first, writes them as one commit every few seconds, or earlier when many wait. What does not fit
/// into the queue is dropped and counted, as is what can't be written. Lost when the process is
/// killed is what waits. The same rows go on to the sinks of the deployment's policy, whatever
/// becomes of the group. Thread-safe.
class PredictionLog {
 public:
  /// `allowed_sinks`: CheckSinkAllowed.
  explicit PredictionLog(FeatureTables* tables,
                         std::optional<std::vector<std::string>> allowed_sinks = std::nullopt)
      : tables_(tables), sinks_(std::move(allowed_sinks)) {}
  /// Writes what waits.
  ~PredictionLog();

  /// Takes a request over. Never waits for the writer.
  void Offer(AnsweredRequest request);

  /// Returns when what was offered before is written: the failure of the write, if it failed. Sinks
  /// are waited for no longer than one try and, all together, kSinkPatience; what became of their
  /// rows is told by their statistics alone.
  Status Flush();

  std::vector<PredictionSinkStatistics> SinkStatistics(const std::string& deployment) const {
    return sinks_.Statistics(deployment);
  }

 private:
  using Batch = std::deque<AnsweredRequest>;
  /// Longer than Kafka takes to say that nobody is there.
  static constexpr std::chrono::seconds kSinkPatience{8};
  static constexpr int64_t kQueueBytes = 64 << 20;
  static constexpr int64_t kEagerBytes = kQueueBytes / 4;
  static constexpr std::chrono::seconds kInterval{5};

  void Run();
  Status Write(const Batch& batch);

  FeatureTables* const tables_;
  PredictionSinks sinks_;
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
