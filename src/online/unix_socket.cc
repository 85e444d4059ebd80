#include "online/unix_socket.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace tercet {
namespace {

constexpr int kBacklog = 128;

Status Failed(std::string_view what) {
  return Status::IOError("online store's socket: ", what, ": ", std::strerror(errno));
}

Result<socklen_t> Address(const std::string& name, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (name.empty() || name.size() + 1 > sizeof(address->sun_path)) {
    return Status::Invalid("online store's socket: '", name, "' is no name");
  }
  // A leading zero byte: the abstract namespace.
  std::memcpy(address->sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

}  // namespace

UnixSocket& UnixSocket::operator=(UnixSocket&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = other.Release();
  }
  return *this;
}

UnixSocket::~UnixSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int UnixSocket::Release() { return std::exchange(descriptor_, -1); }

Result<UnixSocket> UnixSocket::Listen(const std::string& name) {
  UnixSocket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.open()) return Failed("socket");
  sockaddr_un address;
  ARROW_ASSIGN_OR_RAISE(const socklen_t size, Address(name, &address));
  if (::bind(socket.descriptor_, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    return Failed("bind");
  }
  if (::listen(socket.descriptor_, kBacklog) != 0) return Failed("listen");
  return socket;
}

Result<UnixSocket> UnixSocket::Connect(const std::string& name) {
  UnixSocket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.open()) return Failed("socket");
  sockaddr_un address;
  ARROW_ASSIGN_OR_RAISE(const socklen_t size, Address(name, &address));
  int connected;
  do {
    connected = ::connect(socket.descriptor_, reinterpret_cast<sockaddr*>(&address), size);
  } while (connected != 0 && errno == EINTR);
  if (connected != 0) return Failed("connect");
  ARROW_RETURN_NOT_OK(socket.CheckPeer());
  return socket;
}

Result<std::optional<UnixSocket>> UnixSocket::Accept() {
  while (true) {
    const int descriptor = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EINVAL) return std::nullopt;  // Shut down.
      return Failed("accept");
    }
    UnixSocket socket(descriptor);
    if (socket.CheckPeer().ok()) return socket;
  }
}

Status UnixSocket::CheckPeer() const {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(descriptor_, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return Failed("peer credentials");
  }
  if (peer.uid == ::geteuid()) return Status::OK();
  return Status::IOError("online store's socket: the other side is user ", peer.uid, ", not ",
                         ::geteuid());
}

Status UnixSocket::Send(std::string_view frame) {
  if (frame.size() > kMaxFrameBytes) {
    return Status::CapacityError("online store: a request or answer of ", frame.size(),
                                 " bytes is over the limit of ", kMaxFrameBytes,
                                 "; ask for fewer keys at once");
  }
  const auto length = static_cast<uint32_t>(frame.size());
  iovec parts[2] = {{const_cast<uint32_t*>(&length), sizeof(length)},
                    {const_cast<char*>(frame.data()), frame.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  size_t left = sizeof(length) + frame.size();
  while (left > 0) {
    const ssize_t sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Failed("send");
    left -= sent;
    size_t skip = sent;
    for (iovec& part : parts) {
      const size_t used = std::min(skip, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + used;
      part.iov_len -= used;
      skip -= used;
    }
  }
  return Status::OK();
}

Result<bool> UnixSocket::ReadAll(char* out, size_t size) {
  size_t have = 0;
  while (have < size) {
    const ssize_t got = ::recv(descriptor_, out + have, size - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("receive");
    if (got == 0 && have == 0) return false;
    if (got == 0) return Status::IOError("online store's socket: closed in the middle of a frame");
    have += got;
  }
  return true;
}

Result<std::optional<std::string>> UnixSocket::Receive() {
  uint32_t length = 0;
  ARROW_ASSIGN_OR_RAISE(bool more, ReadAll(reinterpret_cast<char*>(&length), sizeof(length)));
  if (!more) return std::nullopt;
  if (length > kMaxFrameBytes) {
    return Status::IOError("online store's socket: a frame of ", length, " bytes");
  }
  std::string frame(length, '\0');
  if (length > 0) {
    ARROW_ASSIGN_OR_RAISE(more, ReadAll(frame.data(), length));
    if (!more) return Status::IOError("online store's socket: closed in the middle of a frame");
  }
  return frame;
}

Status UnixSocket::SetTimeout(int64_t timeout_us) {
  const timeval timeout{.tv_sec = timeout_us / 1'000'000, .tv_usec = timeout_us % 1'000'000};
  for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(descriptor_, SOL_SOCKET, direction, &timeout, sizeof(timeout)) != 0) {
      return Failed("timeout");
    }
  }
  return Status::OK();
}

void UnixSocket::Shutdown() {
  if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
}

}  // namespace tercet
