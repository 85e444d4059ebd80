#include "inference/admission.h"

#include "base/overload.h"

namespace tercet {
namespace {

/// A client without a deadline of its own waits no longer than most proxies do.
constexpr std::chrono::seconds kLongestWait{30};
constexpr int64_t kRetryAfterSeconds = 1;

}  // namespace

Result<Admission::Place> Admission::Enter(const ServingPolicy& policy,
                                          std::optional<TimePoint> deadline) {
  if (policy.concurrency == 0) {
    pending_.fetch_add(1, std::memory_order_relaxed);
    return Place(this, false);
  }
  std::unique_lock lock(mutex_);
  if (running_ >= policy.concurrency) {
    if (waiting_ >= policy.queue) {
      return Overloaded(kRetryAfterSeconds,
                        "it answers " + std::to_string(policy.concurrency) + " requests at once, " +
                            std::to_string(waiting_) + " more wait already");
    }
    const TimePoint until = deadline.value_or(std::chrono::steady_clock::now() + kLongestWait);
    ++waiting_;
    pending_.fetch_add(1, std::memory_order_relaxed);
    const bool entered =
        left_.wait_until(lock, until, [&] { return running_ < policy.concurrency; });
    --waiting_;
    pending_.fetch_sub(1, std::memory_order_relaxed);
    if (!entered) return TooLate("it waited in the queue for too long");
  }
  ++running_;
  pending_.fetch_add(1, std::memory_order_relaxed);
  return Place(this, true);
}

void Admission::Leave(bool counted) {
  pending_.fetch_sub(1, std::memory_order_relaxed);
  if (!counted) return;
  {
    const std::lock_guard lock(mutex_);
    --running_;
  }
  left_.notify_one();
}

}  // namespace tercet
