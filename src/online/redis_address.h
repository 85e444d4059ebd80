#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/byte_stream.h"
#include "base/result.h"

namespace tercet {

/// Where a Redis is, and as whom it is asked:
/// "redis[s]://[[user][:password]@]host[:port][,host[:port]…][/db][?stale=…&ca=…&cert=…&key=…]".
/// In user, password and files, bytes that mean something in an address are %XX.
struct RedisAddress {
  std::string host;
  int port = 6379;
  std::vector<std::string> others;  ///< more nodes of a Cluster, host:port, asked when it is away
  std::string user;                 ///< of its access control list; empty: the default one
  std::string password;             ///< empty: none
  int database = 0;                 ///< 0 in a Cluster
  int stale_seconds = 0;  ///< how long readers may answer without it; 0: not at all
  std::optional<TlsSettings> tls;   ///< of "rediss://"
  /// Invalid for any other text; the password is not repeated.
  static Result<RedisAddress> Parse(const std::string& url);
  std::string Node() const { return host + ":" + std::to_string(port); }
};

}  // namespace tercet
