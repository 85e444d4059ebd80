#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// One end of a stream socket between processes of one user on one machine, with frames: a uint32
/// length, little-endian, then that many bytes. Sockets have names in Linux's abstract namespace:
/// they leave no file behind, and a project's path may be of any length. A peer of another user is
/// refused on both sides. Movable; closes its descriptor. One thread at a time.
class UnixSocket {
 public:
  static constexpr uint32_t kMaxFrameBytes = 1u << 30;

  UnixSocket() = default;
  explicit UnixSocket(int descriptor) : descriptor_(descriptor) {}
  UnixSocket(UnixSocket&& other) noexcept : descriptor_(other.Release()) {}
  UnixSocket& operator=(UnixSocket&& other) noexcept;
  ~UnixSocket();

  static Result<UnixSocket> Listen(const std::string& name);
  static Result<UnixSocket> Connect(const std::string& name);

  /// The next connection of a listening socket, by the same user; nullopt when it was shut down.
  Result<std::optional<UnixSocket>> Accept();

  /// CapacityError for a frame over the limit, IOError when the peer is gone, or takes nothing for
  /// longer than SetTimeout said.
  Status Send(std::string_view frame);
  /// nullopt when the peer closed the connection between two frames. IOError when it is gone, or
  /// silent for longer than SetTimeout said.
  Result<std::optional<std::string>> Receive();
  Status SetTimeout(int64_t timeout_us);

  /// Ends all calls on this socket, from any thread; it stays open.
  void Shutdown();
  bool open() const { return descriptor_ >= 0; }

 private:
  int Release();
  Status CheckPeer() const;
  /// False when the stream ended before the first byte.
  Result<bool> ReadAll(char* out, size_t size);

  int descriptor_ = -1;
};

}  // namespace tercet
