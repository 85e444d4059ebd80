#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tercet {

/// What is learnt about one request while it is answered on this thread, for its trace. Those who
/// know something write it down if anybody listens; nobody below the door needs to know who does.
struct RequestTrace {
  struct Stage {
    std::string_view name;  ///< of a constant
    int64_t ns = 0;
  };
  std::string traceparent;  ///< W3C trace context to pass on to what this request asks
  std::string deployment;   ///< empty until a deployment answers
  int64_t release_number = 0;
  int64_t rows = 0;
  std::chrono::steady_clock::time_point begun;  ///< when the deployment's part began
  std::array<Stage, 8> stages{};  ///< one after the other; names that are empty end it
};

/// The trace that the calling thread's request has; null when it has none.
RequestTrace* CurrentTrace();

/// Makes a trace the calling thread's for as long as this lives; null: none.
class TraceScope {
 public:
  explicit TraceScope(RequestTrace* trace);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  RequestTrace* const before_;
};

}  // namespace tercet
