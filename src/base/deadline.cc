#include "base/deadline.h"

namespace tercet {
namespace {

thread_local Deadline current_deadline;

}  // namespace

Deadline CurrentDeadline() { return current_deadline; }

DeadlineScope::DeadlineScope(const Deadline& deadline) : before_(current_deadline) {
  current_deadline = deadline;
}

DeadlineScope::~DeadlineScope() { current_deadline = before_; }

}  // namespace tercet
