#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "platform/platform.h"

namespace tercet {

/// What requests to one view or deployment may have, kept since reading it anew costs more than
/// the request. `columns` are all of them, required ones first.
template <typename Contract>
struct KnownContract {
  Contract contract;
  std::shared_ptr<arrow::Schema> columns;
  /// Its requests may wait for a worker or a place, or take long: never on an I/O thread.
  bool slow = false;
  std::chrono::steady_clock::time_point read_at;
};

/// Contracts by key, each read again when it is older than a second: another process may have
/// switched the deployment. Thread-safe.
template <typename Contract>
class ContractCache {
 public:
  using Known = std::shared_ptr<const KnownContract<Contract>>;
  using Read = std::function<Result<KnownContract<Contract>>(const std::string& key)>;

  explicit ContractCache(Read read) : read_(std::move(read)) {}

  /// The kept contract when it is young, else a fresh one.
  Result<Known> Get(const std::string& key) {
    Known known = Find(key);
    if (known != nullptr && std::chrono::steady_clock::now() - known->read_at < kMaxAge) {
      return known;
    }
    return Refresh(key);
  }

  /// What is kept, however old; null when nothing is.
  Known Find(const std::string& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = known_.find(key);
    return found == known_.end() ? nullptr : found->second;
  }

  void Forget(const std::string& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    known_.erase(key);
  }

  Result<Known> Refresh(const std::string& key) {
    Result<KnownContract<Contract>> read = read_(key);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!read.ok()) {
      known_.erase(key);
      return read.status();
    }
    read->read_at = std::chrono::steady_clock::now();
    Known known = std::make_shared<const KnownContract<Contract>>(*std::move(read));
    known_[key] = known;
    return known;
  }

 private:
  static constexpr std::chrono::seconds kMaxAge{1};

  const Read read_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;  // guarded by mutex_
};

using VectorContracts = ContractCache<VectorContract>;
using DeploymentContracts = ContractCache<DeploymentContract>;

/// `online_elsewhere`: see ServerOptions.
std::unique_ptr<VectorContracts> MakeVectorContracts(Platform* platform, bool online_elsewhere);
std::unique_ptr<DeploymentContracts> MakeDeploymentContracts(Platform* platform,
                                                             bool online_elsewhere);

/// Calls `use(contract)` with a kept contract; when that fails and the contract has changed since
/// it was read, once more with the new one. So a switch of a deployment is never felt as an error.
template <typename Contract, typename Use>
auto WithContract(ContractCache<Contract>* cache, const std::string& key, const Use& use)
    -> decltype(use(std::declval<const KnownContract<Contract>&>())) {
  ARROW_ASSIGN_OR_RAISE(auto known, cache->Get(key));
  auto result = use(*known);
  if (result.ok()) return result;
  ARROW_ASSIGN_OR_RAISE(auto fresh, cache->Refresh(key));
  if (fresh->columns->Equals(*known->columns)) return result;
  return use(*fresh);
}

}  // namespace tercet
