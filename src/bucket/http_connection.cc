#include "bucket/http_connection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>


namespace tercet {
namespace {

namespace http = boost::beast::http;

constexpr uint64_t kMaxBodyBytes = 256ULL << 20;  // far above what is ever asked for
constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kIdleConnections = 32;

}  // namespace

Result<HttpAddress> HttpAddress::Parse(const std::string& url) {
  HttpAddress address;
  const size_t scheme = url.find("://");
  address.encrypted = url.starts_with("https://");
  if (scheme == std::string::npos || (!address.encrypted && !url.starts_with("http://"))) {
    return Status::Invalid("'", url, "' is no http:// or https:// address");
  }
  address.host = url.substr(scheme + 3);
  address.port = address.encrypted ? "443" : "80";
  // A colon after ']' or without brackets is the port's; others are an IPv6 address's.
  const size_t colon = address.host.rfind(':');
  if (colon != std::string::npos && address.host.find(']', colon) == std::string::npos) {
    address.port = address.host.substr(colon + 1);
    address.host.resize(colon);
  }
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  const bool number = !address.port.empty() && address.port.size() < 6 &&
                      std::all_of(address.port.begin(), address.port.end(),
                                  [](unsigned char c) { return std::isdigit(c) != 0; });
  if (address.host.empty() || !number) {
    return Status::Invalid("'", url, "' is no address of the form http://HOST:PORT");
  }
  return address;
}

std::string HttpAddress::host_header() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (encrypted ? "443" : "80") ? name : name + ":" + port;
}

std::string HttpAddress::ToText() const {
  return (encrypted ? "https://" : "http://") + host_header();
}

std::string HttpResponse::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

class HttpConnections::Connection {
 public:
  explicit Connection(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  bool IsIdle() { return rest_.empty() && stream_->IsIdle(); }

  Result<HttpResponse> Send(std::string_view head, std::string_view body, bool is_head,
                            bool* keep) {
    Status written;
    if (body.size() < kReadBytes) {
      written = stream_->Write(std::string(head).append(body));  // one packet where it fits
    } else {
      written = stream_->Write(head);
      if (written.ok()) written = stream_->Write(body);
    }
    // A refusal may come before the body was sent whole: what counts is the answer.
    Result<HttpResponse> response = Receive(is_head, keep);
    if (!written.ok()) {
      *keep = false;
      if (!response.ok()) return written;
    }
    return response;
  }

 private:
  Result<HttpResponse> Receive(bool is_head, bool* keep) {
    boost::beast::error_code error;
    std::optional<http::response_parser<http::string_body>> parser(std::in_place);
    while (true) {
      parser->body_limit(kMaxBodyBytes);
      parser->skip(is_head);
      parser->eager(true);
      while (!parser->is_done()) {
        size_t used = 0;
        if (!rest_.empty()) {
          used = parser->put(boost::asio::buffer(rest_), error);
          rest_.erase(0, used);
          if (error == http::error::need_more) error = {};
          if (error) return Status::IOError("the answer is no HTTP: ", error.message());
        }
        if (parser->is_done() || used > 0) continue;
        ARROW_RETURN_NOT_OK(ReadMore(&*parser));
      }
      if (parser->get().result_int() / 100 != 1) break;
      parser.emplace();  // "100 Continue": the answer is yet to come
    }
    *keep = parser->get().keep_alive();
    HttpResponse response{.status = static_cast<int>(parser->get().result_int()),
                          .headers = {},
                          .body = std::move(parser->get().body())};
    for (const auto& field : parser->get()) {
      std::string name(field.name_string());
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      response.headers.emplace(std::move(name), std::string(field.value()));
    }
    return response;
  }

  Status ReadMore(http::response_parser<http::string_body>* parser) {
    const size_t before = rest_.size();
    rest_.resize(before + kReadBytes);
    const Result<size_t> got = stream_->Read(rest_.data() + before, kReadBytes);
    rest_.resize(before + (got.ok() ? *got : 0));
    ARROW_RETURN_NOT_OK(got);
    if (*got > 0) return Status::OK();
    boost::beast::error_code error;
    if (parser->got_some()) parser->put_eof(error);
    if (!parser->is_done()) return Status::IOError("the server broke off");
    return Status::OK();
  }

  const std::unique_ptr<ByteStream> stream_;
  std::string rest_;  // read, not yet parsed
};

HttpConnections::HttpConnections(HttpAddress address, std::string ca_file, std::string whose,
                                 const ConnectionPatience& patience)
    : address_(std::move(address)),
      ca_file_(std::move(ca_file)),
      whose_(std::move(whose)),
      patience_(patience) {}

HttpConnections::~HttpConnections() = default;

Result<std::unique_ptr<HttpConnections::Connection>> HttpConnections::Take() {
  while (true) {
    std::unique_ptr<Connection> kept;
    {
      const std::lock_guard lock(mutex_);
      if (idle_.empty()) break;
      kept = std::move(idle_.back());
      idle_.pop_back();
    }
    if (kept->IsIdle()) return kept;
  }
  const TlsSettings tls = {
      .ca_file = ca_file_,
      .certificate_file = {},
      .key_file = {},
      .server_name = {},
      .advice = "; AWS_CA_BUNDLE may name a file of certificates to trust"};
  Result<std::unique_ptr<ByteStream>> stream =
      address_.encrypted ? ConnectTls(address_.host, address_.port, tls, patience_)
                         : ConnectTcp(address_.host, address_.port, patience_);
  if (!stream.ok()) {
    return Explain(stream.status(), "cannot reach " + whose_ + " at " + address_.ToText());
  }
  return std::make_unique<Connection>(*std::move(stream));
}

Result<HttpResponse> HttpConnections::Send(std::string_view head, std::string_view body,
                                           bool is_head, bool* sent) {
  bool keep = false;
  *sent = false;
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Connection> connection, Take());
  *sent = true;
  Result<HttpResponse> response = connection->Send(head, body, is_head, &keep);
  if (!response.ok()) {
    return Explain(response.status(), "asking " + whose_ + " at " + address_.ToText());
  }
  if (keep) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleConnections) idle_.push_back(std::move(connection));
  }
  return response;
}

}  // namespace tercet
