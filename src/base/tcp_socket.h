#pragma once

#include <string>

#include "base/byte_stream.h"
#include "base/result.h"

namespace tercet {

/// A connected TCP socket that closes itself.
class TcpSocket {
 public:
  /// IOError when the host has no address or none of them answers in time.
  static Result<TcpSocket> Connect(const std::string& host, const std::string& port,
                                   const ConnectionPatience& patience);
  TcpSocket(TcpSocket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  TcpSocket& operator=(TcpSocket&&) = delete;
  ~TcpSocket();

  int fd() const { return fd_; }
  /// ByteStream::SetSilence.
  Status SetSilence(int silence_ms) const;
  /// Open, and nothing to be read.
  bool IsIdle() const;

 private:
  explicit TcpSocket(int fd) : fd_(fd) {}
  int fd_;
};

/// What errno says after a failed call on a socket.
Status SocketError();

}  // namespace tercet
