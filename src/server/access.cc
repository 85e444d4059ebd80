#include "server/access.h"

#include <charconv>

#include <boost/asio/ip/address.hpp>

#include "base/hash.h"
#include "base/short_text.h"

namespace tercet {
namespace {

bool IsLoopbackHost(std::string_view host) {
  // Nearly all requests name one of these, and are told apart by nothing more.
  if (host == "localhost" || host == "127.0.0.1") return true;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

/// "localhost:8080" without its port.
std::string_view HostOf(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  if (colon == std::string_view::npos) return authority;
  if (bracket != std::string_view::npos && bracket > colon) return authority;
  return authority.substr(0, colon);
}

}  // namespace

Result<Address> Address::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  Address address;
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const auto read = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || read.ec != std::errc() || read.ptr != port.data() + port.size() ||
      address.port < 0 || address.port > 65535) {
    return Status::Invalid("address '", ShortText(text, 100),
                           "' must be HOST:PORT, such as "
                           "127.0.0.1:8080");
  }
  address.host = text.substr(0, colon);
  if (address.host.empty()) address.host = "127.0.0.1";
  return address;
}

bool Address::IsLoopback() const { return IsLoopbackHost(host); }

std::string Address::ToText() const { return host + ":" + std::to_string(port); }

Access::Access(std::string_view token) : digest_(token.empty() ? "" : Sha256Hex(token)) {}

Status Access::CheckBind(std::string_view what, const Address& address) const {
  if (has_token() || address.IsLoopback()) return Status::OK();
  return Status::Invalid(what, " address ", address.ToText(),
                         " can be reached from other machines, and no token protects it; give "
                         "--token-file FILE, or listen on 127.0.0.1");
}

Status Access::CheckToken(std::string_view authorization) const {
  if (!has_token()) return Status::OK();
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) {
    return Status::Invalid(
        "this server wants a token: send the header 'Authorization: Bearer "
        "TOKEN', or set TERCET_TOKEN");
  }
  const std::string given = Sha256Hex(authorization.substr(kScheme.size()));
  unsigned char difference = 0;
  for (size_t i = 0; i < digest_.size(); ++i) {
    difference |= static_cast<unsigned char>(digest_[i] ^ given[i]);
  }
  if (difference != 0) return Status::Invalid("the token is not this server's");
  return Status::OK();
}

Status Access::CheckBrowser(std::string_view host, std::string_view origin) const {
  if (has_token()) return Status::OK();
  if (!host.empty() && !IsLoopbackHost(HostOf(host))) {
    return Status::Invalid("host '", ShortText(host, 100),
                           "' is not this machine; without a token only localhost is served");
  }
  if (origin.empty()) return Status::OK();
  const size_t scheme = origin.find("://");
  const std::string_view authority =
      scheme == std::string_view::npos ? origin : origin.substr(scheme + 3);
  if (!IsLoopbackHost(HostOf(authority))) {
    return Status::Invalid("requests from web pages of '", ShortText(origin, 100),
                           "' are not served");
  }
  return Status::OK();
}

}  // namespace tercet
