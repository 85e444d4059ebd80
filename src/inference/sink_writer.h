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
/// later is tried again, later and later. What the sink shows its readers later (Publish), it is
/// told to when that is due. Thread-safe.
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

  /// What Await waits for.
  struct Ticket {
    int64_t settle = 0;   ///< the number of the Ask
    int64_t offered = 0;  ///< records offered before it
  };
  /// Asks for what was offered so far to be written and published at once, also where a failed
  /// write would wait for its next try.
  Ticket Ask();
  /// Returns true when that is done, and false when a try that began after Ask has failed, or at
  /// `until`.
  bool Await(const Ticket& ticket, std::chrono::steady_clock::time_point until);
  /// Both, with patience.
  bool Settle() { return Await(Ask(), std::chrono::steady_clock::now() + std::chrono::hours(1)); }

  PredictionSinkStatistics Statistics() const;

 private:
  static constexpr size_t kMostRecords = 2000;  ///< of one write

  void Run();
  /// One try to write some of what waits, and to publish when that is asked for or due.
  Status Try(std::unique_lock<std::mutex>* lock);
  /// Waits until there is something to do.
  void Rest(std::unique_lock<std::mutex>* lock);
  bool MustPublish() const;  ///< mutex_ is held, by the thread
  /// Writes them, in parts where some are refused for good. `*done` grows by those that need no
  /// further try, from the first on, also when it fails.
  Status Write(std::span<const SinkRecord> records, size_t* done);

  const Open open_;
  const Pauses pauses_;
  std::unique_ptr<RecordSink> sink_;  ///< the thread's; null until it is opened

  mutable std::mutex mutex_;
  // Two, so that each has waiters of one kind: the thread, and those who settle.
  std::condition_variable work_, settled_;
  std::deque<SinkRecord> queue_;         ///< guarded by mutex_; what is being written is in front
  int64_t bytes_ = 0;                    ///< guarded by mutex_; of queue_
  // All guarded by mutex_. Records are counted since ever, Asks are numbered.
  int64_t offered_ = 0, handled_ = 0;    ///< taken over; written or given up
  int64_t asked_ = 0;                    ///< the newest Ask
  int64_t asked_offered_ = 0;            ///< what had been offered then
  int64_t published_ = 0;                ///< the newest Ask that is done
  int64_t failed_ = 0;                   ///< the newest Ask after which a try began that failed
  PredictionSinkStatistics statistics_;  ///< guarded by mutex_
  bool stopping_ = false;                ///< guarded by mutex_
  std::thread thread_;                   ///< guarded by mutex_ until it is joined
};

}  // namespace tercet
