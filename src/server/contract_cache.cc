#include "server/contract_cache.h"

namespace tercet {
namespace {

std::shared_ptr<arrow::Schema> Joined(const std::shared_ptr<arrow::Schema>& first,
                                      const std::shared_ptr<arrow::Schema>& second) {
  arrow::FieldVector fields = first->fields();
  for (const auto& field : second->fields()) {
    if (first->GetFieldIndex(field->name()) < 0) fields.push_back(field);
  }
  return arrow::schema(std::move(fields));
}

/// Whether vectors of a view wait for workers, which run its functions in Python.
Result<bool> MayWait(Platform* platform, const Ref& view) {
  ARROW_ASSIGN_OR_RAISE(const FeatureViewDefinition definition, platform->GetFeatureView(view));
  return !definition.functions.empty();
}

/// Whether a release's answers may wait for a worker.
Result<bool> MayWait(Platform* platform, const std::string& release_id) {
  ARROW_ASSIGN_OR_RAISE(const Release release, platform->GetRelease(release_id));
  if (!release.view.name.empty()) {
    ARROW_ASSIGN_OR_RAISE(const bool waits, MayWait(platform, release.view));
    if (waits) return true;
  }
  ARROW_ASSIGN_OR_RAISE(const ModelDefinition model, platform->GetModel(release.model));
  return model.format == ModelFormat::kPython || model.format == ModelFormat::kComposite;
}

/// Answers that take longer in the mean are none for an I/O thread, on which others wait; the way
/// to another thread and back is little beside them.
constexpr int64_t kHotAnswerNs = 250'000;

/// Whether the answers of a deployment's release have taken long so far.
Result<bool> TakesLong(Platform* platform, const std::string& deployment, int64_t release_number) {
  ARROW_ASSIGN_OR_RAISE(const auto statistics, platform->GetServingStatistics(deployment));
  for (const ReleaseStatistics& release : statistics.releases) {
    if (release.number == release_number && release.total.count > 0) {
      return release.total.sum_ns / release.total.count > kHotAnswerNs;
    }
  }
  return false;
}

}  // namespace

std::unique_ptr<VectorContracts> MakeVectorContracts(Platform* platform, bool online_elsewhere) {
  return std::make_unique<VectorContracts>(
      [platform,
       online_elsewhere](const std::string& key) -> Result<KnownContract<VectorContract>> {
        ARROW_ASSIGN_OR_RAISE(const Ref view, Ref::Parse(key));
        KnownContract<VectorContract> known;
        ARROW_ASSIGN_OR_RAISE(known.contract, platform->ContractOfView(view));
        known.columns = Joined(known.contract.entities, known.contract.optional);
        ARROW_ASSIGN_OR_RAISE(known.slow, MayWait(platform, view));
        known.slow |= online_elsewhere;
        return known;
      });
}

std::unique_ptr<DeploymentContracts> MakeDeploymentContracts(Platform* platform,
                                                             bool online_elsewhere) {
  return std::make_unique<DeploymentContracts>(
      [platform,
       online_elsewhere](const std::string& name) -> Result<KnownContract<DeploymentContract>> {
        KnownContract<DeploymentContract> known;
        ARROW_ASSIGN_OR_RAISE(known.contract, platform->Contract(name));
        known.columns = Joined(known.contract.entities, known.contract.optional);
        ARROW_ASSIGN_OR_RAISE(const Deployment deployment, platform->GetDeployment(name));
        ARROW_ASSIGN_OR_RAISE(known.slow, MayWait(platform, known.contract.release_id));
        known.slow |= online_elsewhere || deployment.policy.concurrency > 0 ||
                      deployment.policy.batch_rows > 0;
        if (!known.slow) {
          ARROW_ASSIGN_OR_RAISE(known.slow,
                                TakesLong(platform, name, known.contract.release_number));
        }
        for (const TrafficArm& arm : deployment.traffic.arms) {
          if (arm.shadow || known.slow) continue;
          // One that can't be read is left out of the traffic.
          const Result<bool> waits = MayWait(platform, arm.release_id);
          known.slow = !waits.ok() || *waits;
        }
        return known;
      });
}

}  // namespace tercet
