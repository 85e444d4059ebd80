#include "base/request_trace.h"

#include <utility>

namespace tercet {
namespace {

thread_local RequestTrace* current_trace = nullptr;

}  // namespace

RequestTrace* CurrentTrace() { return current_trace; }

TraceScope::TraceScope(RequestTrace* trace) : before_(std::exchange(current_trace, trace)) {}

TraceScope::~TraceScope() { current_trace = before_; }

}  // namespace tercet
