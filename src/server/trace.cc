#include "server/trace.h"

#include <random>

#include <fmt/format.h>

#include "base/json.h"
#include "base/log.h"
#include "client/http_link.h"
#include "client/version.h"

namespace tercet {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kQueuedRequests = 4096;
constexpr size_t kRequestsPerPost = 512;
constexpr std::chrono::seconds kPause{1};
constexpr std::chrono::seconds kPatience{5};
constexpr int kServerKind = 2;    // SPAN_KIND_SERVER
constexpr int kInternalKind = 1;  // SPAN_KIND_INTERNAL
constexpr int kErrorCode = 2;     // STATUS_CODE_ERROR

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool IsZero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

uint64_t Random() {
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

/// Never zero, which would be no id.
std::string NewSpanId() { return fmt::format("{:016x}", Random() | 1); }
std::string NewTraceId() { return fmt::format("{:016x}{:016x}", Random(), Random() | 1); }

json::object Attribute(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}
json::object Attribute(std::string_view key, int64_t value) {
  return {{"key", key}, {"value", {{"intValue", std::to_string(value)}}}};
}

json::object SpanJson(const std::string& trace_id, const std::string& id,
                      const std::string& parent, std::string_view name, int kind,
                      int64_t begin_ns, int64_t end_ns, json::array attributes) {
  json::object span = {{"traceId", trace_id},
                       {"spanId", id},
                       {"name", name},
                       {"kind", kind},
                       {"startTimeUnixNano", std::to_string(begin_ns)},
                       {"endTimeUnixNano", std::to_string(end_ns)},
                       {"attributes", std::move(attributes)}};
  if (!parent.empty()) span["parentSpanId"] = parent;
  return span;
}

int64_t Nanos(SteadyClock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

}  // namespace

std::optional<TraceContext> TraceContext::Parse(std::string_view text) {
  // "00-<32>-<16>-<2>"; later versions may have more behind a further dash.
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  const std::string_view version = text.substr(0, 2), flags = text.substr(53, 2);
  const std::string_view trace = text.substr(3, 32), span = text.substr(36, 16);
  if (!IsHex(version) || !IsHex(trace) || !IsHex(span) || !IsHex(flags) || version == "ff" ||
      (version == "00" && text.size() != 55) || (text.size() > 55 && text[55] != '-') ||
      IsZero(trace) || IsZero(span)) {
    return std::nullopt;
  }
  const int low = flags[1] <= '9' ? flags[1] - '0' : flags[1] - 'a' + 10;
  return TraceContext{std::string(trace), std::string(span), (low & 1) != 0};
}

std::string TraceContext::ToText() const {
  return "00-" + trace_id + "-" + span_id + (sampled ? "-01" : "-00");
}

Result<std::unique_ptr<TraceExporter>> TraceExporter::Make(const TraceOptions& options) {
  std::unique_ptr<TraceExporter> exporter(new TraceExporter(options));
  constexpr std::string_view kScheme = "http://";
  const std::string& endpoint = options.endpoint;
  const size_t slash = endpoint.find('/', kScheme.size());
  const std::string address = endpoint.substr(
      std::min(kScheme.size(), endpoint.size()),
      slash == std::string::npos ? std::string::npos : slash - kScheme.size());
  const size_t colon = address.rfind(':');
  exporter->host_ = address.substr(0, colon);
  exporter->port_ = colon == std::string::npos ? "4318" : address.substr(colon + 1);
  exporter->path_ = slash == std::string::npos ? "/v1/traces" : endpoint.substr(slash);
  if (!endpoint.starts_with(kScheme) || exporter->host_.empty() || exporter->port_.empty()) {
    return Status::Invalid("traces can't be sent to '", endpoint,
                           "'; name a collector as http://HOST:4318/v1/traces");
  }
  if (!(options.percent >= 0 && options.percent <= 100)) {
    return Status::Invalid("traces of ", options.percent, " percent of the requests");
  }
  exporter->thread_ = std::thread([raw = exporter.get()] { raw->Run(); });
  return exporter;
}

TraceExporter::TraceExporter(const TraceOptions& options) : options_(options) {}

TraceExporter::~TraceExporter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool TraceExporter::SampleNew() {
  // Evenly, by the golden ratio, as arms are chosen (DeploymentBook::NextTurn).
  constexpr uint64_t kGoldenStep = 0x9e3779b97f4a7c15;
  const uint64_t turn = turn_.fetch_add(1, std::memory_order_relaxed) * kGoldenStep;
  return static_cast<double>(turn >> 11) * 0x1p-53 * 100 < options_.percent;
}

TraceExporter::Span::Span(TraceExporter* exporter, std::string_view name,
                          std::string_view traceparent)
    : exporter_([&]() -> TraceExporter* {
        if (exporter == nullptr) return nullptr;
        if (const auto caller = TraceContext::Parse(traceparent)) {
          context_ = *caller;
          parent_ = context_.span_id;
        } else {
          context_.sampled = exporter->SampleNew();
        }
        return context_.sampled ? exporter : nullptr;
      }()),
      name_(name) {
  if (exporter_ == nullptr) return;
  if (context_.trace_id.empty()) context_.trace_id = NewTraceId();
  context_.span_id = NewSpanId();
  trace_.traceparent = context_.ToText();
  scope_.emplace(&trace_);
  wall_ns_ = Nanos(std::chrono::system_clock::now().time_since_epoch());
  begun_ = SteadyClock::now();
}

void TraceExporter::Span::End(int http_status) {
  End("http.response.status_code", http_status, http_status >= 500);
}

void TraceExporter::Span::EndCall(int grpc_status) {
  constexpr int kUnknown = 2, kDeadlineExceeded = 4, kUnimplemented = 12, kInternal = 13,
                kUnavailable = 14, kDataLoss = 15;
  const bool failed = grpc_status == kUnknown || grpc_status == kDeadlineExceeded ||
                      grpc_status == kUnimplemented || grpc_status == kInternal ||
                      grpc_status == kUnavailable || grpc_status == kDataLoss;
  End("rpc.grpc.status_code", grpc_status, failed);
}

void TraceExporter::Span::End(std::string_view attribute, int status, bool failed) {
  if (exporter_ == nullptr) return;
  scope_.reset();
  const int64_t end_ns = wall_ns_ + Nanos(SteadyClock::now() - begun_);
  const bool predicted = !trace_.deployment.empty();
  json::array attributes = {Attribute(attribute, status)};
  if (predicted) {
    attributes.push_back(Attribute("tercet.deployment", trace_.deployment));
    attributes.push_back(Attribute("tercet.release", trace_.release_number));
    attributes.push_back(Attribute("tercet.rows", trace_.rows));
  }
  json::object span = SpanJson(context_.trace_id, context_.span_id, parent_, name_, kServerKind,
                               wall_ns_, end_ns, std::move(attributes));
  if (failed) span["status"] = {{"code", kErrorCode}};
  std::string text = ToText(span);
  int64_t spans = 1;
  int64_t at_ns = wall_ns_ + (predicted ? Nanos(trace_.begun - begun_) : 0);
  for (const RequestTrace::Stage& stage : trace_.stages) {
    if (stage.name.empty() || !predicted) break;
    text += "," + ToText(SpanJson(context_.trace_id, NewSpanId(), context_.span_id, stage.name,
                                  kInternalKind, at_ns, at_ns + stage.ns, {}));
    at_ns += stage.ns;
    ++spans;
  }
  exporter_->Offer(std::move(text), spans);
}

TraceExporter::Counts TraceExporter::Read() const {
  return {.sent = sent_.load(), .dropped = dropped_.load(), .failed = failed_.load()};
}

std::string TraceExporter::MetricsText() const {
  const Counts counts = Read();
  return fmt::format(
      "# HELP tercet_trace_spans_total Spans, by what became of them.\n"
      "# TYPE tercet_trace_spans_total counter\n"
      "tercet_trace_spans_total{{outcome=\"sent\"}} {}\n"
      "tercet_trace_spans_total{{outcome=\"dropped\"}} {}\n"
      "tercet_trace_spans_total{{outcome=\"failed\"}} {}\n",
      counts.sent, counts.dropped, counts.failed);
}

void TraceExporter::Offer(std::string span, int64_t spans) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kQueuedRequests) {
    dropped_ += spans;
    return;
  }
  queue_.emplace_back(std::move(span), spans);
}

void TraceExporter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    stop_.wait_for(lock, kPause, [this] { return stopping_; });
    while (!queue_.empty()) {
      std::string text;
      int64_t count = 0;
      for (size_t i = 0; i < kRequestsPerPost && !queue_.empty(); ++i) {
        if (!text.empty()) text += ",";
        text += queue_.front().first;
        count += queue_.front().second;
        queue_.pop_front();
      }
      lock.unlock();
      Send(text, count);
      lock.lock();
    }
    if (stopping_) return;
  }
}

void TraceExporter::Send(const std::string& spans, int64_t count) {
  const json::object resource = {{"attributes", {Attribute("service.name", options_.service)}}};
  const json::object scope = {{"name", "tercet"}, {"version", kTercetVersion}};
  const std::string body = "{\"resourceSpans\":[{\"resource\":" + ToText(resource) +
                           ",\"scopeSpans\":[{\"scope\":" + ToText(scope) + ",\"spans\":[" +
                           spans + "]}]}]}";
  // A link of its own each time would be a connection a second, which is nothing; one that is kept
  // would have to be told of a collector that came back.
  HttpLink link(host_, port_, "", kPatience);
  const Result<HttpReply> reply = link.Send("POST", path_, "application/json", body);
  const bool taken = reply.ok() && reply->status / 100 == 2;
  if (taken) {
    sent_ += count;
    return;
  }
  if (failed_.fetch_add(count) == 0) {
    LogWarn("traces can't be delivered to '" + options_.endpoint + "': " +
            (reply.ok() ? "it answered " + std::to_string(reply->status)
                        : reply.status().ToString()) +
            "; those that fail from now on are only counted");
  }
}

}  // namespace tercet
