#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "catalog/serving.h"

namespace tercet {

/// Which of a deployment's requests its prediction log takes, and what became of their rows.
/// Thread-safe.
class PredictionLogBook {
 public:
  /// Whether the next request is one of these percent. Spread evenly, and apart from the turns by
  /// which arms are chosen, so that every arm's part of the log is its part of the traffic.
  bool Take(double percent);
  /// The same, asked where a request can't be kept: after a yes, the next Take says yes, of the
  /// request by the way that keeps it.
  bool PutOff(double percent);

  void Waiting(int64_t rows) { waiting_.fetch_add(rows, std::memory_order_relaxed); }
  void Dropped(int64_t rows) { dropped_.fetch_add(rows, std::memory_order_relaxed); }
  /// Of rows that waited.
  void Written(int64_t rows);
  void Failed(int64_t rows, const std::string& why);

  PredictionLogStatistics Read() const;

 private:
  bool IsTurn(double percent);

  std::atomic<uint64_t> turn_{0};
  std::atomic<bool> put_off_{false};
  std::atomic<int64_t> waiting_{0}, written_{0}, dropped_{0}, failed_{0};
  mutable std::mutex mutex_;
  std::string last_error_;  ///< guarded by mutex_
};

}  // namespace tercet
