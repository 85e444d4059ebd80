#pragma once

// For tests: a server on loopback that gives the answers it was told, one a request, in order.
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tercet {

class ScriptedServer {
 public:
  /// An answer is sent as it is; after "" and after one that ends in "!" (which is left out) the
  /// connection is closed.
  explicit ScriptedServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    ::listen(listener_, 8);
    socklen_t size = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);
      if (connection_ >= 0) ::shutdown(connection_, SHUT_RDWR);
    }
    thread_.join();
    ::close(listener_);
  }

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

  /// The requests so far: line, headers and body.
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void Serve() {
    for (size_t next = 0; next < answers_.size();) {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      ++connections_;
      SetConnection(connection);
      while (next < answers_.size() && ReadRequest(connection)) {
        std::string answer = answers_[next++];
        const bool close = answer.empty() || answer.back() == '!';
        if (close && !answer.empty()) answer.pop_back();
        ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
        if (close) break;
      }
      SetConnection(-1);
      ::close(connection);
    }
  }

  void SetConnection(int connection) {
    const std::lock_guard lock(mutex_);
    connection_ = connection;
  }

  bool ReadRequest(int connection) {
    std::string text;
    size_t needed = std::string::npos;
    while (needed == std::string::npos || text.size() < needed) {
      char bytes[4096];
      const ssize_t got = ::recv(connection, bytes, sizeof(bytes), 0);
      if (got <= 0) return false;
      text.append(bytes, got);
      const size_t end = text.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const size_t length = text.find("content-length: ");
      needed = end + 4 + (length < end ? std::stoul(text.substr(length + 16)) : 0);
    }
    const std::lock_guard lock(mutex_);
    requests_.push_back(text);
    return true;
  }

  const std::vector<std::string> answers_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  int connection_ = -1;                // guarded by mutex_
  std::vector<std::string> requests_;  // guarded by mutex_
  std::thread thread_;
};

/// A whole answer.
inline std::string Answer(const std::string& status, const std::string& body,
                          const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace tercet
