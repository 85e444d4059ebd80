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
  /// From now on a read or write fails that makes no progress for so long.
  virtual Status SetSilence(int silence_ms) = 0;
  /// False when the server closed it, or sent what nobody asked for: it is of no more use.
  virtual bool IsIdle() = 0;
};

/// How long a server is waited for.
struct ConnectionPatience {
  int connect_ms = 10'000;   ///< for each of its addresses
  int silence_ms = 60'000;   ///< a read or write that makes no progress for so long fails
};

/// Whom a TLS client trusts, and what it shows of itself. Files are PEM.
struct TlsSettings {
  std::string ca_file;           ///< empty: the system's certificates
  std::string certificate_file;  ///< the client's own, with those that vouch for it; empty: none
  std::string key_file;          ///< of that certificate
  std::string server_name;       ///< that its certificate must be for; empty: the host's
  std::string advice;            ///< put behind the error when it is not trusted
};

/// A TCP connection.
Result<std::unique_ptr<ByteStream>> ConnectTcp(const std::string& host, const std::string& port,
                                               const ConnectionPatience& patience = {});

/// The same with TLS 1.2 or newer, the server's certificate checked. A host may be an IP address,
/// which the certificate must then name as such.
Result<std::unique_ptr<ByteStream>> ConnectTls(const std::string& host, const std::string& port,
                                               const TlsSettings& settings,
                                               const ConnectionPatience& patience = {});

}  // namespace tercet
