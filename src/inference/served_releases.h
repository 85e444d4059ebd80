#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "base/cell.h"
#include "catalog/catalog.h"
#include "inference/adaptive_batch.h"
#include "inference/deployment_book.h"
#include "inference/loaded_release.h"
#include "inference/referee.h"

namespace tercet {

/// Which release a deployment points at, and the releases that were loaded. Thread-safe; a request
/// never waits while another deployment's release is loaded.
class ServedReleases {
 public:
  /// Loaded releases that are kept beside those that deployments point at: a rollback, or the next
  /// batch of the same model, then finds its release ready.
  static constexpr size_t kKept = 8;

  /// A release of a deployment, ready to answer.
  struct Arm {
    int64_t number = 0;  ///< of the release within the deployment
    double percent = 0;
    bool shadow = false;
    std::shared_ptr<const LoadedRelease> loaded;
    std::shared_ptr<AdaptiveBatch> batch;  ///< null: each request is a call of its own
  };

  /// A deployment as of one state of the catalog. Never changes.
  struct Served {
    Arm main;               ///< the release that it points at
    std::vector<Arm> arms;  ///< beside it; one whose release can't be loaded is left out
    std::string sticky_key;
    ServingPolicy policy;
    std::shared_ptr<DeploymentBook> book;

    /// Whether every arm that answers does so the short way, and takes and gives the same.
    bool in_place = false;

    /// The arm that answers a request; never a shadow.
    const Arm& Choose(const std::string& deployment, const arrow::RecordBatch& entities) const;
    /// The same for one row of the main arm's row_schema().
    const Arm& Choose(const std::string& deployment, std::span<const Cell> row) const;

   private:
    /// `sticky`: the value of the sticky key, an array of at least one; null: there is none.
    const Arm& ArmOf(const std::string& deployment, const arrow::Array* sticky) const;
  };

  /// `referee` may be null: then trials are followed by the traffic alone, and nobody counts.
  ServedReleases(Catalog* catalog, FeatureViews* views, Registry* registry,
                 PredictorOptions options, Referee* referee)
      : catalog_(catalog),
        views_(views),
        registry_(registry),
        options_(std::move(options)),
        referee_(referee) {}

  /// The deployment as it is now. Costs microseconds unless the catalog changed since the last
  /// call.
  Result<std::shared_ptr<const Served>> Of(const std::string& deployment);

  /// A release, loaded once.
  Result<std::shared_ptr<const LoadedRelease>> Load(const Release& release);

  /// The deployment's book, also when it was never asked.
  std::shared_ptr<DeploymentBook> Book(const std::string& deployment);

 private:
  struct Entry {
    int64_t change_counter = 0;  ///< the catalog's, read before the deployment was
    std::shared_ptr<const Served> served;
  };

  std::shared_ptr<const LoadedRelease> FindLoaded(const std::string& id);
  Result<std::shared_ptr<const LoadedRelease>> LoadById(const std::string& id);
  Result<std::shared_ptr<const Served>> Look(const std::string& deployment);
  std::vector<Arm> LoadArms(const Deployment& deployment);
  /// Sees to the arm's workers and to its requests being put together, by the policy; not again
  /// when neither has changed since `before`, which may be null.
  static void Prepare(const std::string& deployment, const Served* before, Arm* arm,
                      const Served& served);
  static bool AnswersInPlace(const Served& served);

  Catalog* const catalog_;
  FeatureViews* const views_;
  Registry* const registry_;
  const PredictorOptions options_;
  Referee* const referee_;

  std::shared_mutex served_mutex_;
  std::map<std::string, Entry, std::less<>> served_;  ///< guarded by served_mutex_
  /// Guarded by served_mutex_; outlives switches, and a deployment that comes back.
  std::map<std::string, std::shared_ptr<DeploymentBook>, std::less<>> books_;

  std::mutex load_mutex_;  ///< held while a release is loaded, so that none is loaded twice
  std::mutex kept_mutex_;
  std::list<std::shared_ptr<const LoadedRelease>> kept_;  ///< guarded by kept_mutex_; newest first
};

}  // namespace tercet
