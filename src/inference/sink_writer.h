#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "catalog/prediction_sink.h"
#include "source/record_sink.h"

namespace tercet {

/// Brings a deployment's records to one sink, on a thread of its own, so that a sink that is slow
/// or gone holds up neither requests nor the log nor another sink. Records wait in a queue that is
/// bounded by bytes; what does not fit is dropped and counted. A write that fails but may go better
/// later is tried again, later and later. Thread-safe.
class SinkWriter {
 public:
  using Open = std::function<Result<std::unique_ptr<RecordSink>>()>;

  static constexpr int64_t kQueueBytes = 32 << 20;

  struct Pauses {
    std::chrono::milliseconds first{200}, longest{30'000};
  };

  SinkWriter(std::string name, Open open, Pauses pauses);
  /// Tries once more to write what waits, then gives it up and counts it as failed.
  ~SinkWriter();

  /// Takes records over. Never waits for the sink.
  void Offer(std::vector<SinkRecord> records);

  /// Returns when nothing waits, or when writing has failed once since this was called.
  void Settle();

  PredictionSinkStatistics Statistics() const;

 private:
  static constexpr size_t kMostRecords = 2000;  ///< of one write

  void Run();
  /// Writes them, in parts where some are refused for good. `*done` grows by those that need no
  /// further try, from the first on, also when it fails.
  Status Write(std::span<const SinkRecord> records, size_t* done);

  const Open open_;
  const Pauses pauses_;
  std::unique_ptr<RecordSink> sink_;  ///< the thread's; null until it is opened

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SinkRecord> queue_;         ///< guarded by mutex_; what is being written is in front
  int64_t bytes_ = 0;                    ///< guarded by mutex_; of queue_
  int64_t wanted_ = 0;                   ///< guarded by mutex_; tries at once asked for, ever
  int64_t failures_ = 0;                 ///< guarded by mutex_; tries that failed
  PredictionSinkStatistics statistics_;  ///< guarded by mutex_
  bool stopping_ = false;                ///< guarded by mutex_
  std::thread thread_;                   ///< guarded by mutex_ until it is joined
};

}  // namespace tercet
