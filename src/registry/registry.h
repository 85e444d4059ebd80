#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "catalog/catalog.h"
#include "catalog/model.h"

namespace tercet {

/// What stands between training and inference: models with their files, releases, and the
/// deployments that point at them. Definitions live in the catalog, files in
/// `<root>/models/<name>/<version>/`. Any number of processes may use one root. Thread-safe.
class Registry {
 public:
  /// Limits of one model: CapacityError above.
  static constexpr int64_t kMaxFiles = 1000;
  static constexpr int64_t kMaxBytes = 16LL << 30;

  /// Borrows the catalog and the clock, which must outlive it.
  Registry(Catalog* catalog, std::shared_ptr<FileSystem> file_system, std::string root,
           const Clock* clock);

  // -- models --------------------------------------------------------------------------------

  /// Copies the files (relative path → bytes), makes them durable, then registers the model. All
  /// or nothing: after a crash in between there is no model, and the next registration cleans up.
  /// Version 0 takes the next. The result has its version and the files' content addresses. The
  /// model depends on its view, training dataset and run. Invalid for a bad name, a path that
  /// would leave the folder, no files, or no signature; AlreadyExists for a taken version;
  /// KeyError when the view, dataset or run does not exist.
  Result<ModelDefinition> RegisterModel(const ModelDefinition& model,
                                        const std::map<std::string, std::string>& files);
  /// The same with files to copy from: relative path → where it is now.
  Result<ModelDefinition> RegisterModelFrom(const ModelDefinition& model,
                                            const std::map<std::string, std::string>& sources);

  Result<ModelDefinition> GetModel(const Ref& ref);  ///< version 0: the newest
  /// By name and version.
  Result<std::vector<ModelDefinition>> ListModels(
      const std::optional<std::string>& name = std::nullopt);
  /// Removes the entry, then the files. Invalid while a release needs it.
  Status DropModel(const Ref& ref);
  /// The folder of a model's files, each checked against its content address: IOError naming the
  /// file when one is missing or differs. To be called once per load, not per request.
  Result<std::string> ModelDirectory(const Ref& ref);

  // -- releases ------------------------------------------------------------------------------

  /// Fills in the id and stores the release if there is none of its content. It depends on its
  /// model, view, training dataset and feature groups, which can't be dropped while it exists.
  Result<Release> MakeRelease(const Release& release);
  Result<Release> GetRelease(const std::string& id);
  Result<std::vector<Release>> ListReleases();
  /// Invalid while a deployment's history has it.
  Status DropRelease(const std::string& id);

  // -- deployments ---------------------------------------------------------------------------
  // Each switch is one compare-and-swap of one catalog entry, which holds the whole history: a
  // reader sees the state before or after it, never between. `by` says who switched. Within a
  // deployment a release has one number, counted from 1 in order of first appearance. Switching to
  // the release that is served already changes nothing.

  /// Creates a deployment, or upgrades it when there is one.
  Result<Deployment> Deploy(const std::string& name, const Release& release,
                            const std::string& by);
  /// Serves another release. KeyError when there is no such deployment.
  Result<Deployment> Upgrade(const std::string& name, const Release& release,
                             const std::string& by);
  /// Serves the release of that number in the deployment's history; KeyError when there is none.
  Result<Deployment> Downgrade(const std::string& name, int64_t number, const std::string& by);
  /// Undoes the last switch that was not undone: repeated rollbacks walk further back, and after
  /// an upgrade they start from there again. Invalid when there is nothing before. Cancelled when
  /// another switch came between, so that two people who both undo one upgrade undo only that.
  Result<Deployment> Rollback(const std::string& name, const std::string& by);

  /// Changes the service level; the history stays, since nothing was switched.
  Result<Deployment> SetPolicy(const std::string& name, const ServingPolicy& policy);
  /// The same, from the one that there is: `change` is called again when another's came between.
  Result<Deployment> ChangePolicy(
      const std::string& name,
      const std::function<Result<ServingPolicy>(const ServingPolicy&)>& change);
  /// Gives parts of the requests to other releases: `arms` pairs each with its part, whose
  /// release_id and number are filled in. One entry "traffic" a new arm in the history; none when
  /// they end.
  Result<Deployment> SetTraffic(const std::string& name,
                                const std::vector<std::pair<Release, TrafficArm>>& arms,
                                const std::string& sticky_key, const std::string& by);

  // A canary or an experiment is a part of the deployment's entry, so starting, moving on and
  // ending are compare-and-swaps too. Any switch ends it ("stopped").

  /// Starts a canary at its first step. Invalid while a canary, an experiment or arms that answer
  /// are there already, and for the release that is served.
  Result<Deployment> StartCanary(const std::string& name, const Release& release,
                                 const CanaryPlan& plan, const std::string& by);
  /// What a canary does next.
  enum class CanaryMove { kStep, kPromote, kRollBack };
  /// Moves the canary on, and says why in the history. Nothing changes unless it still runs in the
  /// step of `seen`: another process has decided then. `arms`: the figures it was judged by.
  Result<Deployment> MoveCanary(const std::string& name, const Canary& seen, CanaryMove move,
                                const std::vector<ArmFigures>& arms, const std::string& why,
                                const std::string& by);
  /// Splits the traffic as SetTraffic does, and keeps what is compared. Invalid as StartCanary.
  Result<Deployment> StartExperiment(const std::string& name,
                                     const std::vector<std::pair<Release, TrafficArm>>& arms,
                                     const std::string& sticky_key, const ExperimentPlan& plan,
                                     const std::string& by);
  /// Ends the experiment and its split. Invalid when none runs.
  Result<Deployment> StopExperiment(const std::string& name, const std::string& by);

  Result<Deployment> GetDeployment(const std::string& name);
  Result<std::vector<Deployment>> ListDeployments();
  /// Removes the deployment, and those releases of its history that no other deployment has.
  Status DropDeployment(const std::string& name);

 private:
  struct Source;  // where a file's bytes come from
  Result<ModelDefinition> Register(ModelDefinition model, const std::vector<Source>& sources);
  Status Stage(const std::string& folder, const std::vector<Source>& sources,
               std::map<std::string, std::string>* hashes);
  Status Publish(const std::string& staged, ModelDefinition* model);
  std::string FolderOf(const Ref& ref) const;
  Result<Deployment> Switch(const std::string& name, const Release& release,
                            const std::string& action, const std::string& by);
  /// Sets the traffic, whose new arms the history has as `action`. Makes the arms' releases, so it
  /// is to be called again with each try of a compare-and-swap: a deployment that is dropped
  /// meanwhile takes its releases with it.
  Status MakeTraffic(Deployment* deployment,
                     const std::vector<std::pair<Release, TrafficArm>>& arms,
                     const std::string& sticky_key, const std::string& action,
                     const std::string& by);
  /// Reads the deployment, lets `change` change it and writes it, again when others were first.
  Result<Deployment> Change(const std::string& name,
                            const std::function<Status(Deployment*)>& change);

  Catalog* const catalog_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::string models_;  ///< `<root>/models`
  const Clock* const clock_;
};

}  // namespace tercet
