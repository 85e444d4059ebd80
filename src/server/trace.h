#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/request_trace.h"
#include "base/result.h"

namespace tercet {

/// Where a request stands in a distributed trace: W3C Trace Context, header "traceparent".
struct TraceContext {
  std::string trace_id;  ///< 32 hexadecimal digits
  std::string span_id;   ///< 16
  bool sampled = false;

  /// Nullopt for what is no traceparent; then a trace begins here.
  static std::optional<TraceContext> Parse(std::string_view traceparent);
  std::string ToText() const;
};

struct TraceOptions {
  std::string endpoint;        ///< "http://127.0.0.1:4318/v1/traces"
  double percent = 100;        ///< of the requests that come without a trace of their own
  std::string service = "tercet";
};

/// Sends spans of requests to an OpenTelemetry collector: OTLP over HTTP, JSON encoding
/// (opentelemetry.io/docs/specs/otlp). A span a request, and one below it for each stage of a
/// prediction. Requests don't wait for it: spans pass through a bounded queue, which a thread
/// empties once a second; what does not fit or can't be delivered is dropped and counted.
/// Thread-safe.
class TraceExporter {
 public:
  /// Invalid for an endpoint that is no plain HTTP URL.
  static Result<std::unique_ptr<TraceExporter>> Make(const TraceOptions& options);
  /// Sends what is left.
  ~TraceExporter();

  /// One request, from before its handler is called until it was answered.
  class Span {
   public:
    /// Listens on the calling thread when the request is sampled: as its `traceparent` says, or by
    /// the exporter's percent where it has no valid one. `exporter` may be
    /// null; `name` must stay.
    Span(TraceExporter* exporter, std::string_view name, std::string_view traceparent);
    /// Ends it, with the HTTP status of the answer.
    void End(int http_status);
    /// Ends a call of gRPC, with its status code (OpenTelemetry's conventions say which of them are
    /// errors of a server).
    void EndCall(int grpc_status);

   private:
    void End(std::string_view attribute, int status, bool failed);

    TraceContext context_;           ///< of this span
    std::string parent_;             ///< its parent's id; empty: none
    TraceExporter* const exporter_;  ///< null: not sampled
    const std::string_view name_;
    int64_t wall_ns_ = 0;
    std::chrono::steady_clock::time_point begun_;
    RequestTrace trace_;
    std::optional<TraceScope> scope_;
  };

  struct Counts {
    int64_t sent = 0;     ///< spans
    int64_t dropped = 0;  ///< since the queue was full
    int64_t failed = 0;   ///< that the collector did not take
  };
  Counts Read() const;
  /// The same to Prometheus.
  std::string MetricsText() const;

 private:
  explicit TraceExporter(const TraceOptions& options);
  bool SampleNew();
  void Offer(std::string span, int64_t spans);
  void Run();
  void Send(const std::string& spans, int64_t count);

  const TraceOptions options_;
  std::string host_, port_, path_;
  std::atomic<uint64_t> turn_{0};
  std::atomic<int64_t> sent_{0}, dropped_{0}, failed_{0};
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;                                   ///< guarded by mutex_
  std::deque<std::pair<std::string, int64_t>> queue_;       ///< guarded by mutex_; JSON, spans
  std::thread thread_;
};

}  // namespace tercet
