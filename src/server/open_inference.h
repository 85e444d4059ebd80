#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/platform.h"
#include "server/contract_cache.h"
#include "server/inference_request.h"

namespace tercet {

/// The Open Inference Protocol, version 2, over the project's deployments, with Triton's extensions
/// for configuration, statistics and the repository: what REST and gRPC have in common. A model is
/// a deployment, its version the number of a release. Thread-safe.
class OpenInference {
 public:
  using Known = KnownContract<DeploymentContract>;
  using KnownPointer = std::shared_ptr<const Known>;

  /// `ready`: false while the server drains. The others must outlive this.
  OpenInference(Platform* platform, DeploymentContracts* contracts, std::function<bool()> ready)
      : platform_(platform), contracts_(contracts), ready_(std::move(ready)) {}

  bool ServerReady() const { return ready_(); }

  /// What `GET /v2` lists: true ones only.
  static const std::vector<std::string>& Extensions();

  /// The deployment as it is now; KeyError for one that is unknown, unloaded here, or serves
  /// another version than the one that is asked for ("": any).
  Result<KnownPointer> Model(const std::string& name, std::string_view version);

  /// An answer with the outputs that were asked for, in their order, each with whether it is to be
  /// binary.
  struct Answer {
    std::string release_id;
    int64_t release_number = 0;
    std::vector<std::string> missing;  ///< for people
    std::vector<std::pair<OutputTensor, bool>> outputs;
  };
  /// `request_id`: by which the request is logged.
  Result<Answer> Infer(const std::string& name, std::string_view version,
                       const InferenceRequest& request, const std::string& request_id);

  struct IndexEntry {
    std::string name, version, state, reason;
  };
  Result<std::vector<IndexEntry>> Index(bool ready_only);

  /// Makes the deployment ready here; KeyError when there is none. `parameters`: the names of those
  /// that the client gave; NotImplemented for Triton's, which bring another model in its place.
  Status Load(const std::string& name, const std::vector<std::string>& parameters);
  /// Refuses this protocol's requests to it, in this server, until it is loaded again.
  Status Unload(const std::string& name);

  /// Of one deployment, or of all when `name` is empty, by name.
  Result<std::vector<std::pair<std::string, ServingStatistics>>> Statistics(
      const std::string& name);

  DeploymentContracts* contracts() const { return contracts_; }

 private:
  bool IsUnloaded(const std::string& name) const;
  Status CheckModel(const std::string& name, std::string_view version, const Known& known) const;

  Platform* const platform_;
  DeploymentContracts* const contracts_;
  const std::function<bool()> ready_;
  std::atomic<bool> any_unloaded_{false};  ///< mostly false, and then no lock is needed
  mutable std::mutex mutex_;
  std::set<std::string> unloaded_;  ///< guarded by mutex_
};

/// A tensor of a model's metadata: one column.
struct TensorDescription {
  std::string name;
  std::string_view datatype;   ///< "FP64"
  std::vector<int64_t> shape;  ///< -1: any
};
std::vector<TensorDescription> DescribeTensors(const arrow::Schema& schema);

/// "FP64" as Triton's configuration writes it: "TYPE_FP64"; BYTES are "TYPE_STRING".
std::string ConfigType(std::string_view datatype);

/// Rows that one request may have.
inline constexpr int64_t kMaxInferenceRows = 1'000'000;

}  // namespace tercet
