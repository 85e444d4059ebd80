#include "server/router.h"

#include <exception>
#include <set>

#include "base/name.h"
#include "base/overload.h"
#include "base/utf8.h"
#include "client/wire_error.h"

namespace tercet {

ErrorForm ErrorFormOf(std::string_view path) {
  for (const std::string_view others : {"/v2", "/v1", "/invocations", "/ping", "/health"}) {
    if (!path.starts_with(others)) continue;
    const std::string_view rest = path.substr(others.size());
    if (rest.empty() || rest[0] == '/' || rest[0] == '?') return ErrorForm::kPlain;
  }
  return ErrorForm::kCoded;
}

Lane AlwaysHot(const HttpRequest&, const PathArguments&) { return Lane::kHot; }

Router::Router(std::vector<Route> routes, TraceExporter* traces)
    : routes_(std::move(routes)), traces_(traces) {
  names_ = Names();
  for (const Route& route : routes_) {
    HttpRequest target;
    // Patterns are constants of this program.
    const Status parsed = ParseTarget(route.pattern, &target);
    if (!parsed.ok()) parsed.Abort(route.pattern);
    Pattern pattern;
    for (std::string& segment : target.path) {
      pattern.segments.push_back(segment.front() == '{' ? "" : std::move(segment));
    }
    const size_t size = pattern.segments.size();
    if (size >= of_size_.size()) of_size_.resize(size + 1);
    of_size_[size].push_back(patterns_.size());
    patterns_.push_back(std::move(pattern));
  }
}

void Router::Find(const HttpRequest& request, Match* match) const {
  match->route = nullptr;
  match->index = routes_.size();
  match->arguments.clear();
  match->path_known = false;
  const size_t size = request.path.size();
  if (size >= of_size_.size()) return;
  for (const size_t i : of_size_[size]) {
    const auto& segments = patterns_[i].segments;
    if (!HasPath(i, request)) continue;
    match->path_known = true;
    if (routes_[i].method != request.method) continue;
    match->route = &routes_[i];
    match->index = i;
    for (size_t s = 0; s < size; ++s) {
      if (segments[s].empty()) match->arguments.push_back(request.path[s]);
    }
    return;
  }
}

bool Router::HasPath(size_t route, const HttpRequest& request) const {
  const auto& segments = patterns_[route].segments;
  // The last ones first: patterns mostly differ at their ends.
  size_t s = segments.size();
  while (s > 0 && (segments[s - 1].empty() || segments[s - 1] == request.path[s - 1])) --s;
  return s == 0;
}

std::string Router::MethodsOf(const HttpRequest& request) const {
  std::set<std::string> methods;
  for (const size_t i : of_size_[request.path.size()]) {
    if (!HasPath(i, request)) continue;
    methods.insert(routes_[i].method);
    if (routes_[i].method == "GET") methods.insert("HEAD");
  }
  std::string text;
  for (const std::string& method : methods) text += (text.empty() ? "" : ", ") + method;
  return text;
}

HttpAnswer Router::Answer(const HttpRequest& request, const Match& match) const {
  if (traces_ == nullptr) return AnswerMatched(request, match);
  TraceExporter::Span span(traces_, names_[match.index], request.traceparent);
  HttpAnswer answer = AnswerMatched(request, match);
  span.End(answer.status);
  return answer;
}

HttpAnswer Router::AnswerMatched(const HttpRequest& request, const Match& match) const {
  if (match.route == nullptr) {
    std::string path;
    for (const std::string& segment : request.path) path += "/" + segment;
    const ErrorForm form = ErrorFormOf(path);
    if (path.size() > 200) path.resize(200);
    if (!match.path_known) {
      std::vector<std::string> patterns;
      for (const Route& route : routes_) patterns.push_back(route.pattern);
      return ErrorAnswer(Status::KeyError("no route '", path, "'", Suggest(path, patterns),
                                          "; docs/reference/rest.md lists them"),
                         form);
    }
    HttpAnswer answer =
        ErrorAnswer(Status::Invalid("'", path, "' does not take ", request.method, "; it takes ",
                                    MethodsOf(request)),
                    form);
    answer.status = 405;
    answer.headers.emplace_back("Allow", MethodsOf(request));
    return answer;
  }
  // A door lets nothing through: whatever is thrown below it becomes an answer.
  try {
    Result<HttpAnswer> answer = match.route->handler(request, match.arguments);
    if (answer.ok()) return *std::move(answer);
    return ErrorAnswer(answer.status(), match.route->errors);
  } catch (const std::exception& error) {
    return ErrorAnswer(Status::UnknownError("internal error: ", error.what()), match.route->errors);
  }
}

std::vector<std::string> Router::Names() const {
  std::vector<std::string> names;
  for (const Route& route : routes_) names.push_back(route.method + " " + route.pattern);
  names.push_back("unknown");
  return names;
}

HttpAnswer ErrorAnswer(const Status& status, ErrorForm form) {
  HttpAnswer answer = HttpAnswer::Json(
      form == ErrorForm::kCoded ? ErrorToJson(status)
                                : json::object{{"error", ToUtf8(status.message())}},
      HttpStatusOf(status));
  if (const auto seconds = RetryAfterSeconds(status)) {
    answer.headers.emplace_back("Retry-After", std::to_string(*seconds));
  }
  return answer;
}

}  // namespace tercet
