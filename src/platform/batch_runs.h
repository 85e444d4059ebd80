#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "platform/life_sign.h"
#include "platform/platform.h"

namespace tercet {

/// Batch predictions that nobody waits for: each is a run, which tells how far it is and how it
/// ended. One thread does them, one after the other, since each may take the whole memory limit.
/// Thread-safe.
class BatchRuns {
 public:
  using Job = std::function<Result<Commit>(const Progress& progress)>;
  /// Jobs that may wait for the one under way.
  static constexpr size_t kMostWaiting = 16;

  /// `platform` keeps the runs, and must outlive this. `folder`: of the project's signs of life.
  BatchRuns(Platform* platform, std::string folder)
      : platform_(platform), folder_(std::move(folder)) {}
  ~BatchRuns() { End(); }

  /// Starts `run` and returns it; `job` is done later. Overloaded when too many wait.
  Result<Run> Start(const Run& run, Job job);
  /// Interrupts the job under way; its run fails, and so do those that wait. Nothing starts later.
  void End();
  /// Fails the runs of processes that ended without having told how theirs did.
  Status FailAbandoned();

 private:
  struct Waiting {
    std::string run_id;
    Job job;
  };

  void Work();
  void Do(const Waiting& waiting);
  /// Adds to a run; what fails is logged, as nobody else would hear of it.
  void Tell(const std::string& run_id, const Run& additions);

  Platform* const platform_;
  const std::string folder_;
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;  ///< guarded by mutex_
  std::unique_ptr<LifeSign> life_sign_;  ///< guarded by mutex_; made for the first job
  std::thread thread_;           ///< guarded by mutex_ until ending_; the first job starts it
};

}  // namespace tercet
