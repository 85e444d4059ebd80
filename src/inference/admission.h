#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "base/result.h"
#include "catalog/serving.h"

namespace tercet {

/// Lets a deployment's requests in: so many at once, so many waiting, the others refused while that
/// is cheap. Without a limit a request costs two atomic additions. Thread-safe.
class Admission {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// A request that was let in, until it is destroyed.
  class Place {
   public:
    Place(Place&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)), counted_(other.counted_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (admission_ != nullptr) admission_->Leave(counted_);
    }

   private:
    friend class Admission;
    Place(Admission* admission, bool counted) : admission_(admission), counted_(counted) {}
    Admission* admission_;
    const bool counted_;  ///< among those that the limit counts
  };

  /// Waits for a place. Overloaded when the queue is full, TooLate when the deadline comes first.
  Result<Place> Enter(const ServingPolicy& policy, std::optional<TimePoint> deadline);

  /// Requests under way or waiting.
  int64_t pending() const { return pending_.load(std::memory_order_relaxed); }

 private:
  void Leave(bool counted);

  std::atomic<int64_t> pending_{0};
  std::mutex mutex_;
  std::condition_variable left_;
  int64_t running_ = 0;  ///< guarded by mutex_
  int64_t waiting_ = 0;  ///< guarded by mutex_
};

}  // namespace tercet
