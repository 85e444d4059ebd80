#pragma once

#include <atomic>
#include <cstdint>

namespace tercet {

/// Wall-clock time in microseconds since 1970-01-01T00:00:00Z. It enters every room from outside,
/// so that a test can replay any night's failure.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowMicros() const = 0;
};

/// The process-wide real clock. Never null, never freed.
const Clock* SystemClock();

/// A clock that stands still until told otherwise. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(int64_t now_us) : now_us_(now_us) {}
  int64_t NowMicros() const override { return now_us_.load(); }
  void Set(int64_t now_us) { now_us_.store(now_us); }
  void Advance(int64_t by_us) { now_us_.fetch_add(by_us); }

 private:
  std::atomic<int64_t> now_us_;
};

}  // namespace tercet
