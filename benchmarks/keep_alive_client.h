#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// One HTTP/1.1 connection to a server of this machine that is asked again and again: a client so
/// small that it is not what is measured.
class KeepAliveClient {
 public:
  KeepAliveClient() = default;
  ~KeepAliveClient() {
    if (socket_ >= 0) ::close(socket_);
  }
  KeepAliveClient(const KeepAliveClient&) = delete;
  KeepAliveClient& operator=(const KeepAliveClient&) = delete;

  Status Open(int port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (socket_ < 0 ||
        ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      return SystemError("connect");
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return Status::OK();
  }

  /// A whole request of a path; an empty body makes it a GET.
  static std::string RequestOf(const std::string& path, const std::string& body) {
    if (body.empty()) return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    return "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  /// The body of the answer to one request, valid until the next. IOError unless it is a 200.
  Result<std::string_view> Ask(std::string_view request) {
    while (!request.empty()) {
      const ssize_t sent = ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
      if (sent < 0) return SystemError("send");
      request.remove_prefix(static_cast<size_t>(sent));
    }
    answer_.clear();
    size_t header_end = std::string::npos, length = 0;
    while (header_end == std::string::npos || answer_.size() < header_end + length) {
      char bytes[16384];
      const ssize_t got = ::recv(socket_, bytes, sizeof(bytes), 0);
      if (got <= 0) return SystemError("receive");
      answer_.append(bytes, static_cast<size_t>(got));
      if (header_end != std::string::npos) continue;
      header_end = answer_.find("\r\n\r\n");
      if (header_end == std::string::npos) continue;
      header_end += 4;
      ARROW_ASSIGN_OR_RAISE(length, ContentLength(header_end));
    }
    if (answer_.compare(0, 12, "HTTP/1.1 200") != 0) return Status::IOError(answer_);
    return std::string_view(answer_).substr(header_end);
  }

 private:
  static Status SystemError(std::string_view what) {
    return Status::IOError(what, ": ", std::strerror(errno));
  }

  Result<size_t> ContentLength(size_t header_end) const {
    std::string header = answer_.substr(0, header_end);
    std::transform(header.begin(), header.end(), header.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const size_t at = header.find("content-length:");
    if (at == std::string::npos) return Status::IOError("an answer without a length: ", header);
    return std::stoul(header.substr(at + 15));
  }

  int socket_ = -1;
  std::string answer_;
};

}  // namespace tercet
