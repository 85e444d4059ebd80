#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "catalog/catalog.h"
#include "inference/loaded_release.h"

namespace tercet {

/// Which release a deployment points at, and the releases that were loaded. Thread-safe; a request
/// never waits while another deployment's release is loaded.
class ServedReleases {
 public:
  /// Loaded releases that are kept beside those that deployments point at: a rollback, or the next
  /// batch of the same model, then finds its release ready.
  static constexpr size_t kKept = 8;

  struct Served {
    int64_t change_counter = 0;  ///< the catalog's, read before the pointer was
    int64_t number = 0;          ///< of the release within the deployment
    std::shared_ptr<const LoadedRelease> loaded;
  };

  ServedReleases(Catalog* catalog, FeatureViews* views, Registry* registry,
                 PredictorOptions options)
      : catalog_(catalog), views_(views), registry_(registry), options_(std::move(options)) {}

  /// The release that the deployment points at now. Costs microseconds unless the catalog changed
  /// since the last call.
  Result<Served> Of(const std::string& deployment);

  /// A release, loaded once.
  Result<std::shared_ptr<const LoadedRelease>> Load(const Release& release);

 private:
  std::shared_ptr<const LoadedRelease> FindLoaded(const std::string& id);
  Result<Served> Look(const std::string& deployment, int64_t change_counter);

  Catalog* const catalog_;
  FeatureViews* const views_;
  Registry* const registry_;
  const PredictorOptions options_;

  std::shared_mutex served_mutex_;
  std::map<std::string, Served, std::less<>> served_;  ///< guarded by served_mutex_

  std::mutex load_mutex_;  ///< held while a release is loaded, so that none is loaded twice
  std::mutex kept_mutex_;
  std::list<std::shared_ptr<const LoadedRelease>> kept_;  ///< guarded by kept_mutex_; newest first
};

}  // namespace tercet
