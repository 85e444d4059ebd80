#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "catalog/serving.h"
#include "inference/admission.h"
#include "inference/arm_counts.h"
#include "inference/prediction_log_book.h"

namespace tercet {

/// What one process knows of a deployment's traffic: who is in, and what was answered by which
/// release. It outlives switches. Thread-safe.
class DeploymentBook {
 public:
  Admission admission;
  PredictionLogBook log;

  void Answered(int64_t number, int64_t rows, const StageTimes& times, int64_t total_ns,
                int64_t now_us);
  void Failed(int64_t number, const Status& why, int64_t total_ns, int64_t now_us);
  void Shadowed(int64_t number, bool different);
  void ShadowDropped(int64_t number);

  /// Of an answer given: what a trial that runs counts of its outputs.
  void Gave(int64_t number, const arrow::RecordBatch& outputs) const;
  /// Whether a trial is followed, which must see every answer.
  bool followed() const { return followed_.load(std::memory_order_relaxed); }
  /// Counts into this trial too from now on; null: into none.
  void Follow(std::shared_ptr<ArmBook> trial);
  /// A call of a model that answered several requests at once, of so many rows.
  void Batched(int64_t number, int64_t requests, int64_t rows, int64_t wait_ns);

  ServingStatistics Read() const;

  /// A number in [0, 100) for the choice of an arm. Numbers of successive calls are spread evenly,
  /// so that ten percent are ten of a hundred requests, not ten or so.
  double NextTurn();

  /// True for at most one slow request a second: a log line more each would be slow too.
  bool MayLogSlow(int64_t now_us);

 private:
  ReleaseStatistics& Of(int64_t number);  ///< mutex_ is held

  mutable std::mutex mutex_;
  std::map<int64_t, ReleaseStatistics> releases_;  ///< guarded by mutex_
  std::shared_ptr<ArmBook> trial_;                ///< guarded by mutex_; may be null
  std::atomic<bool> followed_{false};             ///< whether trial_ is not null
  std::atomic<uint64_t> turn_{0};
  std::atomic<int64_t> slow_logged_us_{0};
};

}  // namespace tercet
