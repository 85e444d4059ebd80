#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tercet {

struct HttpReply {
  int status = 0;
  std::string body;
};

/// Requests to one server over connections that are kept and reused. A call uses one connection;
/// calls from several threads use several. Thread-safe.
class HttpLink {
 public:
  /// `patience`: how long it may take to send a request and have its reply; 0: any time.
  HttpLink(std::string host, std::string port, std::string token,
           std::chrono::milliseconds patience = std::chrono::milliseconds(0));
  ~HttpLink();

  /// IOError when the server can't be reached or breaks off. What it answers, errors too, is the
  /// reply.
  Result<HttpReply> Send(std::string_view method, const std::string& target,
                         std::string_view content_type, std::string_view body);

 private:
  class Connection;
  Result<std::unique_ptr<Connection>> Take();

  const std::string host_, port_, token_;
  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  // guarded by mutex_
};

/// Percent-encodes a path segment or query value.
std::string EncodeUrl(std::string_view text);

}  // namespace tercet
