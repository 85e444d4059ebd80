#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "online/online_service.h"
#include "online/owner_message.h"
#include "online/unix_socket.h"

namespace tercet {

/// The online store through its owner's socket. Each call in progress has a connection of its own;
/// they are kept for later calls.
class OwnerClient : public OnlineService {
 public:
  /// IOError when nobody listens there.
  static Result<std::unique_ptr<OwnerClient>> Connect(const std::string& socket);

  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override;
  Status SyncTo(const Ref& group, int64_t version, int64_t timeout_us) override;
  Status Rebuild(const Ref& group, int64_t version, int64_t timeout_us) override;
  Result<int64_t> AppliedVersion(const Ref& group) override;
  Status Drop(const Ref& group) override;

  /// Whether a failure means that the owner is gone, not that it refused.
  static bool IsOwnerLost(const Status& status);

 private:
  explicit OwnerClient(std::string socket) : socket_(std::move(socket)) {}
  Result<UnixSocket> Take();
  /// The owner's answer, or its failure.
  Result<OwnerMessage> Call(const OwnerMessage& request, int64_t timeout_us);

  const std::string socket_;
  std::mutex mutex_;
  std::vector<UnixSocket> idle_;  // guarded by mutex_
};

}  // namespace tercet
