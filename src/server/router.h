#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_message.h"
#include "server/metrics.h"
#include "server/trace.h"

namespace tercet {

/// Where a handler runs. Hot handlers answer in microseconds, on the thread that read the request;
/// slow ones run on a pool of their own, so that they never stand before hot ones; predictions that
/// may wait (for a worker, or for a place) on another, so that no training run stands before them.
enum class Lane { kHot, kSlow, kPrediction };

/// How a route tells errors: {"error": {"code", "message"}}, or {"error": "message"} as the Open
/// Inference Protocol has it.
enum class ErrorForm { kCoded, kPlain };

/// The path's segments that stand for "{…}" in the route's pattern.
using PathArguments = std::vector<std::string_view>;
using Handler = std::function<Result<HttpAnswer>(const HttpRequest&, const PathArguments&)>;

struct Route {
  std::string method;
  std::string pattern;  ///< "/api/v1/feature-groups/{name}/{version}"
  Handler handler;
  /// Which lane a request takes; null: slow.
  std::function<Lane(const HttpRequest&, const PathArguments&)> lane;
  ErrorForm errors = ErrorForm::kCoded;
};

/// The form that the clients of a path expect: plain for other servers' ("/v2/models").
ErrorForm ErrorFormOf(std::string_view path);

/// A route whose every request is hot.
Lane AlwaysHot(const HttpRequest&, const PathArguments&);

/// Finds the handler of a request. Made once, then only read: thread-safe.
class Router {
 public:
  /// `traces`, which may be null, is told of each request; it must outlive this.
  explicit Router(std::vector<Route> routes, TraceExporter* traces = nullptr);

  struct Match {
    const Route* route = nullptr;
    size_t index = 0;         ///< of the route, for metrics
    PathArguments arguments;  ///< views into the request
    bool path_known = false;  ///< some route has this path, with another method
  };
  void Find(const HttpRequest& request, Match* match) const;

  /// Runs the matched handler and gives its answer, or its error's in the route's form. A request
  /// that matches nothing is answered 404 or 405.
  HttpAnswer Answer(const HttpRequest& request, const Match& match) const;

  /// "GET /api/v1/feature-groups" of each route, then "unknown", as Metrics takes them.
  std::vector<std::string> Names() const;
  size_t size() const { return routes_.size(); }

 private:
  struct Pattern {
    std::vector<std::string> segments;  ///< empty: any
  };
  /// Whether the path is one of the route's pattern, which has as many segments.
  bool HasPath(size_t route, const HttpRequest& request) const;
  /// "GET, HEAD, POST": what the path takes.
  std::string MethodsOf(const HttpRequest& request) const;
  HttpAnswer AnswerMatched(const HttpRequest& request, const Match& match) const;

  std::vector<Route> routes_;
  TraceExporter* const traces_;
  std::vector<std::string> names_;  ///< of the routes' spans
  std::vector<Pattern> patterns_;
  /// The routes of patterns with so many segments, in their order.
  std::vector<std::vector<size_t>> of_size_;
};

HttpAnswer ErrorAnswer(const Status& status, ErrorForm form);

}  // namespace tercet
