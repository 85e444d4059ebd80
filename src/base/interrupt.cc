#include "base/interrupt.h"

#include <utility>

namespace tercet {
namespace {

using Clock = std::chrono::steady_clock;

thread_local InterruptScope* innermost = nullptr;

}  // namespace

InterruptScope::InterruptScope(std::function<bool()> wanted)
    : wanted_(std::move(wanted)), next_(Clock::time_point::min()), outer_(innermost) {
  innermost = this;
}

InterruptScope::~InterruptScope() { innermost = outer_; }

bool CanBeInterrupted() { return innermost != nullptr; }

Status CheckInterrupt() {
  InterruptScope* const scope = innermost;
  if (scope == nullptr) return Status::OK();
  if (!scope->ended_) {
    const Clock::time_point now = Clock::now();
    if (now < scope->next_) return Status::OK();
    scope->next_ = now + kBetweenLooks;
    scope->ended_ = scope->wanted_();
  }
  return scope->ended_ ? Status::UnknownError("interrupted") : Status::OK();
}

}  // namespace tercet
