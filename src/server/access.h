#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// "127.0.0.1:8080" as a host and a port; "[::1]:8080" for IPv6; ":8080" is loopback.
struct Address {
  std::string host;
  int port = 0;
  static Result<Address> Parse(std::string_view text);
  bool IsLoopback() const;
  std::string ToText() const;
};

/// Who may come in. Without a token only loopback is served, to local programs; with one every
/// request has to bring it as "Authorization: Bearer TOKEN". Immutable, thread-safe.
class Access {
 public:
  /// `token`: empty for none.
  explicit Access(std::string_view token);

  bool has_token() const { return !digest_.empty(); }
  /// Invalid when `address` may be reached by others and there is no token.
  Status CheckBind(std::string_view what, const Address& address) const;
  /// OK when `authorization` carries the token, or there is none. Compares digests in constant
  /// time, so that timing tells nothing of the token.
  Status CheckToken(std::string_view authorization) const;
  /// Keeps web pages out: a browser tells the page's origin, and the name it resolved to get here.
  /// Without a token both have to be this machine.
  Status CheckBrowser(std::string_view host, std::string_view origin) const;

 private:
  std::string digest_;  ///< SHA-256 of the token, hexadecimal
};

}  // namespace tercet
