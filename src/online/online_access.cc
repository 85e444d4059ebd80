#include "online/online_access.h"

#include <chrono>
#include <thread>

#include "base/file_system.h"
#include "online/group_state.h"
#include "online/owner_client.h"
#include "online/owner_lock.h"
#include "online/redis_store.h"
#include "online/store_owner.h"

namespace tercet {
namespace {

/// How long to look for an owner, while one is dying and another is just starting.
constexpr auto kReachPatience = std::chrono::seconds(30);
constexpr auto kReachPause = std::chrono::milliseconds(10);
/// A dying owner may still accept connections after it dropped others: it is not asked again for
/// so long, in which the lock becomes free.
constexpr auto kLostPause = std::chrono::seconds(2);
/// For a group that a reader asks for and the store does not know yet.
constexpr int64_t kFirstSyncTimeoutUs = 600LL * 1'000'000;

/// The store by way of this process, when it is the owner, or of the owner's.
class ProjectAccess : public OnlineAccess {
 public:
  ProjectAccess(std::string directory, const Clock* clock, Sync sync, Sync rebuild,
                const OnlineOptions& options)
      : directory_(std::move(directory)),
        clock_(clock),
        sync_(std::move(sync)),
        rebuild_(std::move(rebuild)),
        options_(options),
        forks_(OwnerLock::forks()) {}

  ~ProjectAccess() override { AbandonAfterFork(); }

  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override {
    if (!options_.redis.empty()) return ReadRedis(requests);
    return Call<Result<std::vector<RowsAnswer>>>(
        [&](OnlineService* service) { return service->Read(requests); });
  }

  Result<bool> ReadCells(std::span<const CellColumns> groups, std::span<const std::string> keys,
                         int64_t event_time_us, CellsAnswer* answer) override {
    if (!options_.redis.empty()) return false;
    return Call<Result<bool>>([&](OnlineService* service) {
      return service->ReadCells(groups, keys, event_time_us, answer);
    });
  }

  Result<ColumnsRead> ReadColumns(std::span<const CellColumns> groups,
                                  std::span<const KeyList* const> keys, int64_t event_time_us,
                                  std::span<const ColumnTarget> columns) override {
    if (!options_.redis.empty()) return ColumnsRead::kElsewhere;
    return Call<Result<ColumnsRead>>([&](OnlineService* service) {
      return service->ReadColumns(groups, keys, event_time_us, columns);
    });
  }

  Result<ColumnsRead> ReadVector(const VectorRead& read, std::string_view key,
                                 int64_t event_time_us,
                                 std::span<const ColumnTarget> columns) override {
    if (!options_.redis.empty()) return ColumnsRead::kElsewhere;
    return Call<Result<ColumnsRead>>([&](OnlineService* service) {
      return service->ReadVector(read, key, event_time_us, columns);
    });
  }

  Result<bool> ReadVectorCells(const VectorRead& read, std::string_view key, int64_t event_time_us,
                               CellsAnswer* answer) override {
    if (!options_.redis.empty()) return false;
    return Call<Result<bool>>([&](OnlineService* service) {
      return service->ReadVectorCells(read, key, event_time_us, answer);
    });
  }

  Status SyncTo(const Ref& group, int64_t version, int64_t timeout_us) override {
    return Call<Status>(
        [&](OnlineService* service) { return service->SyncTo(group, version, timeout_us); });
  }

  Status Rebuild(const Ref& group, int64_t version, int64_t timeout_us) override {
    return Call<Status>(
        [&](OnlineService* service) { return service->Rebuild(group, version, timeout_us); });
  }

  Result<int64_t> AppliedVersion(const Ref& group) override {
    return Call<Result<int64_t>>(
        [&](OnlineService* service) { return service->AppliedVersion(group); });
  }

  Status Drop(const Ref& group) override {
    return Call<Status>([&](OnlineService* service) { return service->Drop(group); });
  }

  Result<bool> IsOwner() override {
    // A client that was connected to an owner which died must not be believed: it asks.
    ARROW_RETURN_NOT_OK(AppliedVersion({"a", 1}).status());
    return owns();
  }

  bool owns() const override {
    std::lock_guard lock(mutex_);
    return owning_ && forks_ == OwnerLock::forks();
  }

 private:
  static Status StatusOf(const Status& status) { return status; }
  template <typename T>
  static Status StatusOf(const Result<T>& result) {
    return result.status();
  }

  /// Every call may be repeated without harm: reads change nothing, and applying, loading or
  /// dropping again changes nothing either.
  template <typename R, typename F>
  R Call(const F& call) {
    for (int attempt = 0;; ++attempt) {
      Result<std::shared_ptr<OnlineService>> service = Reach();
      if (!service.ok()) return service.status();
      R result = call(service->get());
      if (!OwnerClient::IsOwnerLost(StatusOf(result))) return result;
      Forget(service->get());
      if (attempt == 1) return result;
    }
  }

  /// Every process reads Redis itself; the owner is asked only for what is not there yet.
  Result<std::vector<RowsAnswer>> ReadRedis(const std::vector<RowsRequest>& requests) {
    std::shared_ptr<OnlineStore> reader;
    {
      std::lock_guard lock(redis_mutex_);
      if (redis_ == nullptr || forks_of_redis_ != OwnerLock::forks()) {
        ARROW_ASSIGN_OR_RAISE(redis_, RedisStore::OpenFor(directory_, options_.redis, clock_,
                                                          options_.row_cache_bytes));
        forks_of_redis_ = OwnerLock::forks();
      }
      reader = redis_;
    }
    Result<std::vector<RowsAnswer>> answers = reader->Read(requests);
    if (!answers.status().IsKeyError()) return answers;
    // A group that the store has not seen yet, or a column that was added since.
    for (const RowsRequest& request : requests) {
      ARROW_RETURN_NOT_OK(SyncTo(request.group, -1, kFirstSyncTimeoutUs));
    }
    return reader->Read(requests);
  }

  Result<std::shared_ptr<OnlineService>> Reach() {
    {
      std::lock_guard lock(mutex_);
      if (service_ != nullptr && forks_ == OwnerLock::forks()) return service_;
    }
    std::lock_guard reaching(reach_mutex_);
    AbandonAfterFork();
    {
      std::lock_guard lock(mutex_);
      if (service_ != nullptr) return service_;
    }
    const auto deadline = std::chrono::steady_clock::now() + kReachPatience;
    const std::string lock_path = JoinPath(directory_, "owner.lock");
    while (true) {
      if (!OwnerLock::inherited()) {
        ARROW_ASSIGN_OR_RAISE(std::unique_ptr<StoreOwner> owner,
                              StoreOwner::TryOpen(directory_, clock_, sync_, rebuild_, options_));
        if (owner != nullptr) return Use(std::move(owner), true);
      }
      ARROW_ASSIGN_OR_RAISE(const std::optional<std::string> socket,
                            OwnerLock::ReadSocket(lock_path));
      Status failed = Status::IOError("it has not named its socket");
      const bool dying =
          socket && *socket == lost_socket_ && std::chrono::steady_clock::now() < lost_until_;
      if (dying) failed = Status::IOError("it closed the connection");
      if (socket && !dying) {
        Result<std::unique_ptr<OwnerClient>> client = OwnerClient::Connect(*socket);
        if (client.ok()) {
          socket_ = *socket;
          return Use(std::move(client).ValueUnsafe(), false);
        }
        failed = client.status();
      }
      if (OwnerLock::inherited()) {
        return Status::IOError("the online store '", directory_, "' has no owner (",
                               failed.message(),
                               "), and this process can't be it, since it was "
                               "forked from one that was; start processes by spawn");
      }
      if (std::chrono::steady_clock::now() > deadline) {
        return Status::IOError(
            "the online store '", directory_,
            "' is owned by another process that can't be reached: ", failed.message());
      }
      std::this_thread::sleep_for(kReachPause);
    }
  }

  std::shared_ptr<OnlineService> Use(std::shared_ptr<OnlineService> service, bool owning) {
    std::lock_guard lock(mutex_);
    service_ = std::move(service);
    owning_ = owning;
    return service_;
  }

  void Forget(const OnlineService* lost) {
    std::lock_guard reaching(reach_mutex_);
    std::lock_guard lock(mutex_);
    if (service_.get() != lost) return;
    service_ = nullptr;
    lost_socket_ = socket_;
    lost_until_ = std::chrono::steady_clock::now() + kLostPause;
  }

  /// After a fork the parent still owns, or is connected; the child starts anew. Its copies are
  /// given up without a word: their threads don't exist here, their files are the parent's.
  void AbandonAfterFork() {
    std::lock_guard lock(mutex_);
    if (forks_ == OwnerLock::forks()) return;
    new std::shared_ptr<OnlineService>(std::move(service_));
    service_ = nullptr;
    owning_ = false;
    forks_ = OwnerLock::forks();
  }

  const std::string directory_;
  const Clock* const clock_;
  const Sync sync_, rebuild_;
  const OnlineOptions options_;
  std::mutex reach_mutex_;            // one thread looks for the owner; of the next three
  std::string socket_, lost_socket_;  // of the owner reached, and of the one lost
  std::chrono::steady_clock::time_point lost_until_;
  std::mutex redis_mutex_;                // of the next two
  std::shared_ptr<OnlineStore> redis_;    // null: not opened yet
  int forks_of_redis_ = 0;                // a child's connections are its own
  mutable std::mutex mutex_;  // of what follows
  int forks_;
  bool owning_ = false;
  std::shared_ptr<OnlineService> service_;  // null: not reached yet
};

}  // namespace

Result<std::unique_ptr<OnlineAccess>> OnlineAccess::Make(const std::string& directory,
                                                         const Clock* clock, Sync sync,
                                                         Sync rebuild,
                                                         const OnlineOptions& options) {
  return std::make_unique<ProjectAccess>(directory, clock, std::move(sync), std::move(rebuild),
                                         options);
}

}  // namespace tercet
