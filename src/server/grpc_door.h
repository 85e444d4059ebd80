#pragma once

#include <chrono>
#include <memory>

#include "server/access.h"
#include "server/open_inference.h"
#include "server/trace.h"

namespace tercet {

/// The Open Inference Protocol over gRPC (api/inference.proto), on a port of its own. A client
/// shows the token as metadata "authorization"; "traceparent" and, for one prediction without an
/// id of its own, "x-request-id" are taken as HTTP's headers are. Calls that find no free thread
/// are answered RESOURCE_EXHAUSTED.
class GrpcDoor {
 public:
  /// `inference`, `access` and `traces`, which may be null, must outlive it. IOError when the
  /// address is taken.
  static Result<std::unique_ptr<GrpcDoor>> Start(const Address& address, OpenInference* inference,
                                                 const Access* access,
                                                 TraceExporter* traces = nullptr);
  /// Waits for handlers that run.
  ~GrpcDoor();
  int port() const;
  /// Refuses new calls and waits for those under way for at most `patience`. False when some had
  /// not ended.
  bool Stop(std::chrono::milliseconds patience);

 private:
  struct Running;
  explicit GrpcDoor(std::unique_ptr<Running> running);
  std::unique_ptr<Running> running_;
};

}  // namespace tercet
