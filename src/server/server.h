#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "platform/platform.h"
#include "server/access.h"
#include "server/http_session.h"
#include "server/trace.h"

namespace tercet {

struct ServerOptions {
  Address http{"127.0.0.1", 8080};  ///< port 0: any free one
  Address flight{"127.0.0.1", 8081};
  /// The Open Inference Protocol over gRPC. Absent: 127.0.0.1:8082, or any free port when that is
  /// taken, since a second server on this machine need not ask for it.
  std::optional<Address> grpc;
  std::string token;  ///< empty: none, then loopback alone
  HttpLimits limits;
  /// Online rows are another server's (Redis): whoever reads them waits, and not on an I/O thread.
  bool online_elsewhere = false;
  std::optional<TraceOptions> traces;  ///< where requests are traced to; absent: nowhere
};

/// A project's doors: HTTP (REST, inference protocols, metrics), gRPC (Open Inference Protocol) and
/// Arrow Flight.
class Server {
 public:
  /// Listens and serves until it is stopped or destroyed. Invalid for an address that others can
  /// reach without a token, IOError for one that is taken.
  static Result<std::unique_ptr<Server>> Start(std::shared_ptr<Platform> platform,
                                               const ServerOptions& options);
  virtual ~Server() = default;

  virtual int http_port() const = 0;
  virtual int flight_port() const = 0;
  virtual int grpc_port() const = 0;

  /// Says that it is not ready, takes nothing new, and lets what is under way finish for at most
  /// `patience`. False when something had not: it still runs, and the destructor waits for it, so
  /// that a process which must end then does so without.
  virtual bool Stop(std::chrono::milliseconds patience) = 0;
};

}  // namespace tercet
