#include "base/tcp_socket.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/byte_stream.h"

namespace tercet {
namespace {

/// Waits for the end of a connect that was begun; 0 or what went wrong, as errno.
int FinishConnect(int fd, int connect_ms) {
  pollfd wait = {.fd = fd, .events = POLLOUT, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, connect_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return errno;
  if (ready == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

/// 0 or what went wrong, as errno.
int LimitSilence(int fd, int silence_ms) {
  const timeval silence = {.tv_sec = silence_ms / 1000, .tv_usec = silence_ms % 1000 * 1000};
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) != 0 ||
      ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence)) != 0) {
    return errno;
  }
  return 0;
}

/// Blocking from here on, with a limit of silence.
int Prepare(int fd, int silence_ms) {
  const int flags = ::fcntl(fd, F_GETFL);
  const int on = 1;
  if (const int error = LimitSilence(fd, silence_ms)) return error;
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
      ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0) {
    return errno;
  }
  return 0;
}

class TcpStream : public ByteStream {
 public:
  explicit TcpStream(TcpSocket socket) : socket_(std::move(socket)) {}

  Status Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t size = ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return SocketError();
      bytes.remove_prefix(size);
    }
    return Status::OK();
  }

  Result<size_t> Read(char* into, size_t size) override {
    while (true) {
      const ssize_t got = ::recv(socket_.fd(), into, size, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SocketError();
      return static_cast<size_t>(got);
    }
  }

  Status SetSilence(int silence_ms) override { return socket_.SetSilence(silence_ms); }
  bool IsIdle() override { return socket_.IsIdle(); }

 private:
  const TcpSocket socket_;
};

}  // namespace

Status SocketError() {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    return Status::IOError("it does not answer in time");
  }
  return Status::IOError(std::strerror(errno));
}

Status TcpSocket::SetSilence(int silence_ms) const {
  errno = LimitSilence(fd_, silence_ms);
  return errno == 0 ? Status::OK() : SocketError();
}

Result<TcpSocket> TcpSocket::Connect(const std::string& host, const std::string& port,
                                     const ConnectionPatience& patience) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int resolved = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (resolved != 0) {
    return Status::IOError("'", host, "' has no address: ", ::gai_strerror(resolved));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    TcpSocket socket(::socket(address->ai_family,
                              address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                              address->ai_protocol));
    error = 0;
    if (socket.fd() < 0 || ::connect(socket.fd(), address->ai_addr, address->ai_addrlen) != 0) {
      error = errno;
    }
    if (error == EINPROGRESS) error = FinishConnect(socket.fd(), patience.connect_ms);
    if (error == 0) error = Prepare(socket.fd(), patience.silence_ms);
    if (error == 0) return socket;
  }
  return Status::IOError(std::strerror(error));
}

TcpSocket::~TcpSocket() {
  if (fd_ >= 0) ::close(fd_);
}

bool TcpSocket::IsIdle() const {
  char byte = 0;
  const ssize_t got = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Result<std::unique_ptr<ByteStream>> ConnectTcp(const std::string& host, const std::string& port,
                                               const ConnectionPatience& patience) {
  ARROW_ASSIGN_OR_RAISE(TcpSocket socket, TcpSocket::Connect(host, port, patience));
  return std::make_unique<TcpStream>(std::move(socket));
}

}  // namespace tercet
