#include "client/http_link.h"

#include <cctype>
#include <chrono>

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

namespace tercet {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::chrono::seconds kConnectTime{10};
constexpr uint64_t kMaxReplyBytes = 4ULL << 30;
constexpr size_t kIdleConnections = 16;

}  // namespace

class HttpLink::Connection {
 public:
  Connection() : stream_(context_) {}

  Status Connect(const std::string& host, const std::string& port) {
    error_code error;
    asio::ip::tcp::resolver resolver(context_);
    const auto found = resolver.resolve(host, port, error);
    if (error) {
      return Status::IOError("cannot resolve server '", host, "': ", error.message());
    }
    stream_.expires_after(kConnectTime);
    stream_.async_connect(found,
                          [&error](const error_code& result, const auto&) { error = result; });
    context_.run();
    if (error) {
      return Status::IOError("cannot reach a server at ", host, ":", port, ": ", error.message());
    }
    stream_.expires_never();
    // A server that vanished makes the next call fail, so these need no handling of their own.
    stream_.socket().set_option(asio::ip::tcp::no_delay(true), error);
    stream_.socket().set_option(asio::socket_base::keep_alive(true), error);
    return Status::OK();
  }

  /// False when the server closed it while it was idle: nothing may be sent on it any more.
  bool IsOpen() {
    char byte = 0;
    const ssize_t got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  Result<HttpReply> Send(const std::string& header, std::string_view body,
                         std::chrono::milliseconds patience, bool* keep) {
    error_code error;
    const std::array<asio::const_buffer, 2> buffers = {asio::buffer(header),
                                                       asio::buffer(body.data(), body.size())};
    const bool patient = patience.count() == 0;
    const auto done = [&error](const error_code& result, size_t) { error = result; };
    const auto wait = [this] {
      context_.restart();
      context_.run();
    };
    if (patient) {
      asio::write(stream_.socket(), buffers, error);
    } else {
      stream_.expires_after(patience);  // of a server that does not even read, too
      asio::async_write(stream_, buffers, done);
      wait();
    }
    // A refusal may come before the body was sent whole: what counts is the reply.
    const error_code write_error = error;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxReplyBytes);
    if (patient) {
      http::read(stream_.socket(), buffer_, parser, error);
    } else {
      http::async_read(stream_, buffer_, parser, done);
      wait();
      stream_.expires_never();
    }
    if (error) {
      return Status::IOError("the server broke off: ",
                             (write_error ? write_error : error).message());
    }
    *keep = !write_error && parser.get().keep_alive();
    return HttpReply{.status = static_cast<int>(parser.get().result_int()),
                     .body = std::move(parser.get().body())};
  }

 private:
  asio::io_context context_{1};
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
};

HttpLink::HttpLink(std::string host, std::string port, std::string token,
                   std::chrono::milliseconds patience)
    : host_(std::move(host)),
      port_(std::move(port)),
      token_(std::move(token)),
      patience_(patience) {}

HttpLink::~HttpLink() = default;

Result<std::unique_ptr<HttpLink::Connection>> HttpLink::Take() {
  while (true) {
    std::unique_ptr<Connection> kept;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (idle_.empty()) break;
      kept = std::move(idle_.back());
      idle_.pop_back();
    }
    if (kept->IsOpen()) return kept;
  }
  auto connection = std::make_unique<Connection>();
  ARROW_RETURN_NOT_OK(connection->Connect(host_, port_));
  return connection;
}

Result<HttpReply> HttpLink::Send(std::string_view method, const std::string& target,
                                 std::string_view content_type, std::string_view body) {
  std::string header;
  header.reserve(256);
  header.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ");
  header.append(host_).append(":").append(port_);
  if (!token_.empty()) header.append("\r\nAuthorization: Bearer ").append(token_);
  if (!content_type.empty()) header.append("\r\nContent-Type: ").append(content_type);
  header.append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<Connection> connection, Take());
  bool keep = false;
  const Result<HttpReply> reply = connection->Send(header, body, patience_, &keep);
  if (!reply.ok()) {
    return Explain(reply.status(), "request to " + host_ + ":" + port_);
  }
  if (keep) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (idle_.size() < kIdleConnections) idle_.push_back(std::move(connection));
  }
  return reply;
}

std::string EncodeUrl(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte)) || c == '-' || c == '_' || c == '.' || c == '~') {
      encoded.push_back(c);
    } else {
      encoded.push_back('%');
      encoded.push_back(kHex[byte >> 4]);
      encoded.push_back(kHex[byte & 15]);
    }
  }
  return encoded;
}

}  // namespace tercet
