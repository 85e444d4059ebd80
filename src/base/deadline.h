#pragma once

#include <chrono>
#include <optional>

namespace tercet {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// Until when the calling thread's request must be answered; nullopt: no matter when. For those who
/// wait for something in the middle of it, without a deadline in every signature above them.
Deadline CurrentDeadline();

/// Makes a deadline the calling thread's for as long as this lives.
class DeadlineScope {
 public:
  explicit DeadlineScope(const Deadline& deadline);
  ~DeadlineScope();
  DeadlineScope(const DeadlineScope&) = delete;
  DeadlineScope& operator=(const DeadlineScope&) = delete;

 private:
  const Deadline before_;
};

}  // namespace tercet
