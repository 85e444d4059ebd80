#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "runtime/predictor.h"
#include "runtime/worker_process.h"

namespace tercet {

/// The workers of one program: as many as are asked for, each lent to one call at a time,
/// and replaced in the background when it has ended, was ended, or has grown too large. One that
/// fails again and again is started again later and later, up to half a minute. Thread-safe.
class WorkerPool {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Worker {
    WorkerProcess process;
    int64_t calls = 0;                ///< answered
    int64_t memory_limit_bytes = 0;   ///< of its address space
    int64_t loaded_bytes = 0;         ///< its address space before the first call
  };
  /// Starts a worker's process and loads the program. Called on one thread, which lives as long as
  /// the pool, because a worker dies with the thread that started it (worker_process.h).
  using Start = std::function<Status(WorkerProcess* process, int64_t memory_limit_bytes)>;
  /// How a call left its worker.
  enum class Left { kFine, kTired, kFailed };

  explicit WorkerPool(Start start);
  /// Ends all workers. No call may be under way.
  ~WorkerPool();

  /// Sees to at least so many workers, and waits until they have loaded. Workers that were started
  /// with another memory limit are replaced one by one. The error of a start that failed.
  Status Reserve(const WorkerLimits& limits);

  /// A worker of one's own. Waits until one is idle: TooLate when the deadline comes first; the
  /// error of the last failure when there is none left and the next start is over a second away.
  Result<std::unique_ptr<Worker>> Take(const std::optional<TimePoint>& deadline);
  /// A worker that failed is ended and counts towards a later start; `why` is told when no worker
  /// is left. One that is tired (out of memory, ended at a caller's deadline, or too large by its
  /// size) is replaced at once.
  void GiveBack(std::unique_ptr<Worker> worker, Left left, const Status& why);

 private:
  void Loop();
  void Retire(std::unique_ptr<Worker> worker);  ///< mutex_ is held
  bool MustRetire(const Worker& worker) const;  ///< mutex_ is held

  const Start start_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;                       ///< all below are guarded by mutex_
  WorkerLimits limits_{.workers = 0};
  int64_t alive_ = 0;                           ///< idle or lent
  int64_t failures_ = 0;                        ///< in a row, since one answered
  int64_t failed_starts_ = 0;
  Status last_failure_;
  TimePoint next_start_{};
  std::vector<std::unique_ptr<Worker>> idle_;
  std::thread thread_;
};

}  // namespace tercet
