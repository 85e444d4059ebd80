#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "online/group_sync.h"
#include "online/online_service.h"
#include "online/owner_lock.h"
#include "online/owner_message.h"
#include "online/unix_socket.h"

namespace tercet {

/// The owner of a project's online store: holds the lock and the open RocksDB, applies commits,
/// and serves other processes on its socket, a thread a connection.
class StoreOwner : public OnlineService {
 public:
  /// Null when another process owns the store. Else catches every group up with its offline table,
  /// so that nothing that a dead owner had acknowledged is missing, and then serves; who connects
  /// meanwhile waits.
  static Result<std::unique_ptr<StoreOwner>> TryOpen(const std::string& directory,
                                                     const Clock* clock, OnlineAccess::Sync sync,
                                                     OnlineAccess::Sync rebuild,
                                                     const OnlineOptions& options);
  /// Answers what was asked, then gives the store up.
  ~StoreOwner() override;

  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override;
  Result<bool> ReadCells(std::span<const CellColumns> groups, std::span<const std::string> keys,
                         int64_t event_time_us, CellsAnswer* answer) override {
    return store_->ReadCells(groups, keys, event_time_us, answer);
  }
  Result<ColumnsRead> ReadColumns(std::span<const CellColumns> groups,
                                  std::span<const KeyList* const> keys, int64_t event_time_us,
                                  std::span<const ColumnTarget> columns) override {
    return store_->ReadColumns(groups, keys, event_time_us, columns);
  }
  Result<ColumnsRead> ReadVector(const VectorRead& read, std::string_view key,
                                 int64_t event_time_us,
                                 std::span<const ColumnTarget> columns) override {
    return store_->ReadVector(read, key, event_time_us, columns);
  }
  Result<bool> ReadVectorCells(const VectorRead& read, std::string_view key, int64_t event_time_us,
                               CellsAnswer* answer) override {
    return store_->ReadVectorCells(read, key, event_time_us, answer);
  }
  Status SyncTo(const Ref& group, int64_t version, int64_t timeout_us) override;
  Status Rebuild(const Ref& group, int64_t version, int64_t timeout_us) override;
  Result<int64_t> AppliedVersion(const Ref& group) override;
  Status Drop(const Ref& group) override;

 private:
  struct Connection {
    UnixSocket socket;
    std::thread thread;
    bool done = false;  // guarded by mutex_
  };

  StoreOwner() = default;
  Status CatchUp();
  void AcceptAll();
  void Serve(Connection* connection);
  Result<OwnerMessage> Answer(const OwnerMessage& request);

  // In the order in which they stand on each other; destroyed in the reverse order.
  std::unique_ptr<OwnerLock> lock_;
  std::unique_ptr<OnlineStore> store_;
  std::unique_ptr<GroupSync> sync_;
  UnixSocket listener_;
  std::mutex mutex_;
  bool closing_ = false;               // guarded by mutex_
  std::list<Connection> connections_;  // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace tercet
