#include "online/store_owner.h"

#include <chrono>

#include "base/file_system.h"
#include "base/id.h"
#include "base/log.h"
#include "online/redis_store.h"

namespace tercet {
namespace {

/// A dying owner's file descriptors are closed one by one: our lock may be free before RocksDB's.
constexpr auto kOpenPatience = std::chrono::seconds(5);
constexpr auto kOpenPause = std::chrono::milliseconds(20);

/// For a group that a reader asks for and the store does not know yet.
constexpr int64_t kFirstSyncTimeoutUs = 600LL * 1'000'000;

Result<std::unique_ptr<OnlineStore>> OpenPatiently(const std::string& directory, const Clock* clock,
                                                   const OnlineOptions& options) {
  const auto deadline = std::chrono::steady_clock::now() + kOpenPatience;
  // It writes; readers open one of their own.
  if (!options.redis.empty()) return RedisStore::OpenFor(directory, options.redis, clock, 0);
  while (true) {
    auto store = OnlineStore::Open(JoinPath(directory, "rocksdb"), clock, options);
    const bool locked = !store.ok() && store.status().message().find("lock") != std::string::npos;
    if (!locked || std::chrono::steady_clock::now() > deadline) return store;
    std::this_thread::sleep_for(kOpenPause);
  }
}

}  // namespace

Result<std::unique_ptr<StoreOwner>> StoreOwner::TryOpen(const std::string& directory,
                                                        const Clock* clock, OnlineAccess::Sync sync,
                                                        OnlineAccess::Sync rebuild,
                                                        const OnlineOptions& options) {
  ARROW_RETURN_NOT_OK(LocalFileSystem()->MakeDirectory(directory));
  std::unique_ptr<StoreOwner> owner(new StoreOwner);
  ARROW_ASSIGN_OR_RAISE(owner->lock_, OwnerLock::TryTake(JoinPath(directory, "owner.lock")));
  if (owner->lock_ == nullptr) return nullptr;
  const std::string socket = "tercet-" + NewUuid();
  ARROW_ASSIGN_OR_RAISE(owner->listener_, UnixSocket::Listen(socket));
  ARROW_RETURN_NOT_OK(owner->lock_->NameSocket(socket));
  ARROW_ASSIGN_OR_RAISE(owner->store_,
                        OpenPatiently(directory, clock, options));
  owner->sync_ = std::make_unique<GroupSync>(owner->store_.get(), std::move(sync),
                                             std::move(rebuild));
  ARROW_RETURN_NOT_OK(owner->CatchUp());
  owner->acceptor_ = std::thread([self = owner.get()] { self->AcceptAll(); });
  return owner;
}

StoreOwner::~StoreOwner() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    listener_.Shutdown();
  }
  if (acceptor_.joinable()) acceptor_.join();
  if (sync_ != nullptr) sync_->Close();
  {
    std::lock_guard lock(mutex_);
    for (Connection& connection : connections_) connection.socket.Shutdown();
  }
  // Nothing is added any more.
  for (Connection& connection : connections_) connection.thread.join();
}

Status StoreOwner::CatchUp() {
  for (const Ref& group : store_->Groups()) {
    const Status synced = SyncTo(group, -1, kFirstSyncTimeoutUs);
    if (synced.ok()) continue;
    if (synced.IsKeyError()) {
      // Its offline group was dropped, and the process that did it died before it said so here.
      ARROW_RETURN_NOT_OK(store_->Drop(group));
    } else {
      LogWarn("online store: feature group '" + group.ToText() +
              "' could not be caught up: " + synced.ToString());
    }
  }
  return Status::OK();
}

Result<std::vector<RowsAnswer>> StoreOwner::Read(const std::vector<RowsRequest>& requests) {
  Result<std::vector<RowsAnswer>> answers = store_->Read(requests);
  if (!answers.status().IsKeyError()) return answers;
  // A group that the store has not seen yet, or a column that was added since.
  for (const RowsRequest& request : requests) {
    ARROW_RETURN_NOT_OK(SyncTo(request.group, -1, kFirstSyncTimeoutUs));
  }
  return store_->Read(requests);
}

Status StoreOwner::SyncTo(const Ref& group, int64_t version, int64_t timeout_us) {
  return sync_->SyncTo(group, version, timeout_us);
}

Status StoreOwner::Rebuild(const Ref& group, int64_t version, int64_t timeout_us) {
  return sync_->Rebuild(group, version, timeout_us);
}

Result<int64_t> StoreOwner::AppliedVersion(const Ref& group) {
  return store_->AppliedVersion(group);
}

Status StoreOwner::Drop(const Ref& group) { return sync_->Drop(group); }

void StoreOwner::AcceptAll() {
  while (true) {
    Result<std::optional<UnixSocket>> accepted = listener_.Accept();
    std::lock_guard lock(mutex_);
    if (closing_) return;
    for (auto it = connections_.begin(); it != connections_.end();) {
      if (it->done) {
        it->thread.join();
        it = connections_.erase(it);
      } else {
        ++it;
      }
    }
    if (!accepted.ok()) {
      LogWarn(accepted.status().ToString());
      std::this_thread::sleep_for(kOpenPause);  // Out of descriptors: some may be closed soon.
      continue;
    }
    if (!*accepted) return;
    Connection& connection = connections_.emplace_back();
    connection.socket = std::move(**accepted);
    connection.thread = std::thread([this, &connection] { Serve(&connection); });
  }
}

void StoreOwner::Serve(Connection* connection) {
  while (true) {
    Result<std::optional<std::string>> frame = connection->socket.Receive();
    if (!frame.ok() || !*frame) break;  // The other process is gone: nobody to tell.
    const auto answer = [&]() -> Result<OwnerMessage> {
      ARROW_ASSIGN_OR_RAISE(const OwnerMessage request,
                            OwnerMessage::FromBytes(std::move(**frame)));
      return Answer(request);
    }();
    const std::string bytes =
        answer.ok() ? answer->ToBytes() : OwnerMessage{StatusToJson(answer.status()), {}}.ToBytes();
    Status sent = connection->socket.Send(bytes);
    if (sent.IsCapacityError()) {
      sent = connection->socket.Send(OwnerMessage{StatusToJson(sent), {}}.ToBytes());
    }
    if (!sent.ok()) break;
  }
  std::lock_guard lock(mutex_);
  connection->socket.Shutdown();
  connection->done = true;
}

Result<OwnerMessage> StoreOwner::Answer(const OwnerMessage& request) {
  ARROW_ASSIGN_OR_RAISE(const std::string call, GetString(request.header, "call"));
  if (call == "read") {
    ARROW_ASSIGN_OR_RAISE(const auto requests, RequestsFromMessage(request));
    ARROW_ASSIGN_OR_RAISE(const auto answers, Read(requests));
    return ToMessage(answers);
  }
  ARROW_ASSIGN_OR_RAISE(const std::string text, GetString(request.header, "group"));
  ARROW_ASSIGN_OR_RAISE(const Ref group, Ref::Parse(text));
  OwnerMessage answer{StatusToJson(Status::OK()), {}};
  if (call == "sync_to" || call == "rebuild") {
    ARROW_ASSIGN_OR_RAISE(const int64_t version, GetInt(request.header, "version"));
    ARROW_ASSIGN_OR_RAISE(const int64_t timeout_us, GetInt(request.header, "timeout_us"));
    ARROW_RETURN_NOT_OK(call == "rebuild" ? Rebuild(group, version, timeout_us)
                                          : SyncTo(group, version, timeout_us));
  } else if (call == "applied_version") {
    ARROW_ASSIGN_OR_RAISE(const int64_t version, AppliedVersion(group));
    answer.header["version"] = version;
  } else if (call == "drop") {
    ARROW_RETURN_NOT_OK(Drop(group));
  } else {
    return Status::NotImplemented("the online store's owner has no call '", call,
                                  "'; it may run another version of Tercet");
  }
  return answer;
}

}  // namespace tercet
