#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

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

  /// Looks for an answer again and again for so long before it sleeps. On an idle machine both
  /// cores else sleep between any two requests, and waking them is several times what an answer
  /// costs.
  void stay_awake(std::chrono::microseconds time) { awake_ = time; }

  /// A whole request of a path; an empty body makes it a GET.
  static std::string RequestOf(const std::string& path, const std::string& body) {
    if (body.empty()) return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    return "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  /// The body of the answer to one request, valid until the next. IOError unless it is a 200.
  Result<std::string_view> Ask(std::string_view request) {
    ARROW_RETURN_NOT_OK(Send(request));
    return Take();
  }

  /// The first half of Ask.
  Status Send(std::string_view request) {
    while (!request.empty()) {
      const ssize_t sent = ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
      if (sent < 0) return SystemError("send");
      request.remove_prefix(static_cast<size_t>(sent));
    }
    return Status::OK();
  }

  /// The second half.
  Result<std::string_view> Take() {
    size_t size = 0, header_end = std::string_view::npos, length = 0;
    while (header_end == std::string_view::npos || size < header_end + length) {
      if (buffer_.size() - size < kReadBytes) buffer_.resize(size + kReadBytes);
      const ssize_t got = Receive(buffer_.data() + size, buffer_.size() - size);
      if (got <= 0) return SystemError("receive");
      size += static_cast<size_t>(got);
      if (header_end != std::string_view::npos) continue;
      header_end = std::string_view(buffer_.data(), size).find("\r\n\r\n");
      if (header_end == std::string_view::npos) continue;
      header_end += 4;
      header_ = std::string_view(buffer_.data(), header_end);
      ARROW_ASSIGN_OR_RAISE(length, HeaderNumber("content-length:"));
    }
    const std::string_view answer(buffer_.data(), size);
    if (answer.substr(0, 12) != "HTTP/1.1 200") return Status::IOError(answer);
    header_ = answer.substr(0, header_end);
    return answer.substr(header_end);
  }

  /// A number in the header of the last answer; `name`: lower case, with the colon. IOError when it
  /// is not there.
  Result<size_t> HeaderNumber(std::string_view name) const {
    const auto same = [](char header, char wanted) {
      return std::tolower(static_cast<unsigned char>(header)) == wanted;
    };
    const auto at = std::search(header_.begin(), header_.end(), name.begin(), name.end(), same);
    if (at == header_.end()) return Status::IOError("no '", name, "' in ", header_);
    return std::strtoul(&*at + name.size(), nullptr, 10);
  }

 private:
  static Status SystemError(std::string_view what) {
    return Status::IOError(what, ": ", std::strerror(errno));
  }

  ssize_t Receive(char* to, size_t size) const {
    const auto begun = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begun < awake_) {
      const ssize_t got = ::recv(socket_, to, size, MSG_DONTWAIT);
      if (got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) return got;
    }
    return ::recv(socket_, to, size, 0);
  }

  static constexpr size_t kReadBytes = 64 << 10;

  std::chrono::microseconds awake_{0};
  int socket_ = -1;
  std::vector<char> buffer_;
  std::string_view header_;  // in buffer_
};

}  // namespace tercet
