#pragma once

#include <chrono>
#include <functional>

#include "base/result.h"

namespace tercet {

/// Lets whoever waits for this thread's work end it, as a person does by Ctrl-C. A door makes one
/// around a call; without one nothing is ever interrupted. Of nested ones the inner counts.
class InterruptScope {
 public:
  /// `wanted` says whether the work is to end. It is called on this thread, every 50 ms at most.
  explicit InterruptScope(std::function<bool()> wanted);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  friend bool CanBeInterrupted();
  friend Status CheckInterrupt();

  const std::function<bool()> wanted_;
  bool ended_ = false;
  std::chrono::steady_clock::time_point next_;
  InterruptScope* outer_;
};

/// How often a thread's work looks up, at most, and a wait of it, at least.
inline constexpr std::chrono::milliseconds kBetweenLooks{50};

/// Whether there is somebody who could: then waits have to look up now and then.
bool CanBeInterrupted();

/// UnknownError once this thread's work is to end, and from then on until the scope is left. Costs
/// next to nothing; long work asks between pieces of some milliseconds (ParallelFor does). What has
/// committed stays committed: as any failure, this one leaves nothing half-done.
Status CheckInterrupt();

}  // namespace tercet
