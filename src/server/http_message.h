#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_memory.h"
#include "base/result.h"

namespace tercet {

/// One HTTP request, read whole. Texts are percent-decoded.
struct HttpRequest {
  std::string method;             ///< "GET"
  std::vector<std::string> path;  ///< "/a/b" is {"a", "b"}
  std::vector<std::pair<std::string, std::string>> query;
  std::string content_type;  ///< lower case, without parameters
  std::string accept;
  std::string inference_header_length;  ///< Inference-Header-Content-Length
  std::string request_id;               ///< X-Request-Id
  std::string traceparent;              ///< W3C trace context
  std::string body;

  /// For the next request; keeps its memory.
  void Clear();
  /// The value of a query parameter; nullptr when it is not there.
  const std::string* Query(std::string_view name) const;
  /// The body as a JSON object; an empty body is an empty object.
  Result<json::object> JsonBody() const;
  /// The same, as long as `memory`, for requests that are to be cheap.
  Result<json::object> JsonBody(JsonMemory* memory) const;
};

struct HttpAnswer {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< beyond type and length

  static HttpAnswer Json(const json::value& value, int status = 200);
};

/// Reads "/a/b%20c?x=1" into `request`. Invalid for a target that is not a path, or is not
/// percent-encoded rightly.
Status ParseTarget(std::string_view target, HttpRequest* request);

/// What an answer says of its connection's future.
enum class Connection { kSilent, kKeepAlive, kClose };

/// The answer's status line, headers and body as they go over the wire, in one text, in place of
/// what `text` was.
void Serialize(const HttpAnswer& answer, Connection connection, bool with_body,
               std::string* text);

}  // namespace tercet
