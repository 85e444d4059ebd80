#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_stream.h"
#include "base/result.h"

namespace tercet {

/// Where an HTTP server is.
struct HttpAddress {
  std::string host;
  std::string port;
  bool encrypted = false;  ///< https

  /// Reads "http://host[:port]" or "https://host[:port]"; Invalid for anything else.
  static Result<HttpAddress> Parse(const std::string& url);
  std::string ToText() const;
  /// The value of the Host header: without a port that the scheme implies.
  std::string host_header() const;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;

  /// "" when there is none.
  std::string Header(const std::string& name) const;
};

/// Connections to one server, kept open for the next request. Thread-safe: as many requests run at
/// once as are sent.
class HttpConnections {
 public:
  /// `ca_file`: certificates to trust; empty: the system's. `whose` names the server in messages.
  HttpConnections(HttpAddress address, std::string ca_file, std::string whose = "the object store",
                  const ConnectionPatience& patience = {});
  ~HttpConnections();

  /// Sends a request and reads the whole answer. `head` is the request line and the headers with
  /// the empty line after them; `is_head` says that the answer has no body. IOError when the server
  /// can't be reached, is silent for longer than `patience` says, or breaks off before the answer
  /// is whole: if `sent`, the request may have been carried out all the same.
  Result<HttpResponse> Send(std::string_view head, std::string_view body, bool is_head, bool* sent);

 private:
  class Connection;
  Result<std::unique_ptr<Connection>> Take();

  const HttpAddress address_;
  const std::string ca_file_;
  const std::string whose_;
  const ConnectionPatience patience_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  // guarded by mutex_
};

}  // namespace tercet
