#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// Bytes to and from a server. Used by one thread at a time. IOErrors say what went wrong, without
/// the server's name.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Writes all bytes.
  virtual Status Write(std::string_view bytes) = 0;
  /// Reads at least one byte; 0 at the end of the stream.
  virtual Result<size_t> Read(char* into, size_t size) = 0;
  /// False when the server closed it, or sent what nobody asked for: it is of no more use.
  virtual bool IsIdle() = 0;
};

/// A TCP connection; a read or write that makes no progress for a minute fails.
Result<std::unique_ptr<ByteStream>> ConnectTcp(const std::string& host, const std::string& port);

/// The same with TLS 1.2 or newer, the server's certificate checked for `host` against `ca_file`
/// or, where that is empty, the system's certificates.
Result<std::unique_ptr<ByteStream>> ConnectTls(const std::string& host, const std::string& port,
                                               const std::string& ca_file);

}  // namespace tercet
