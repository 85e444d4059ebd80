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

}  // namespace

std::unique_ptr<VectorContracts> MakeVectorContracts(Platform* platform) {
  return std::make_unique<VectorContracts>(
      [platform](const std::string& key) -> Result<KnownContract<VectorContract>> {
        ARROW_ASSIGN_OR_RAISE(const Ref view, Ref::Parse(key));
        KnownContract<VectorContract> known;
        ARROW_ASSIGN_OR_RAISE(known.contract, platform->ContractOfView(view));
        known.columns = Joined(known.contract.entities, known.contract.optional);
        return known;
      });
}

std::unique_ptr<DeploymentContracts> MakeDeploymentContracts(Platform* platform) {
  return std::make_unique<DeploymentContracts>(
      [platform](const std::string& name) -> Result<KnownContract<DeploymentContract>> {
        KnownContract<DeploymentContract> known;
        ARROW_ASSIGN_OR_RAISE(known.contract, platform->Contract(name));
        known.columns = Joined(known.contract.entities, known.contract.optional);
        ARROW_ASSIGN_OR_RAISE(const Release release,
                              platform->GetRelease(known.contract.release_id));
        ARROW_ASSIGN_OR_RAISE(const ModelDefinition model, platform->GetModel(release.model));
        ARROW_ASSIGN_OR_RAISE(const Deployment deployment, platform->GetDeployment(name));
        known.slow = model.format == ModelFormat::kPython ||
                     model.format == ModelFormat::kComposite ||
                     deployment.policy.concurrency > 0 || deployment.policy.batch_rows > 0 ||
                     !deployment.traffic.arms.empty();
        return known;
      });
}

}  // namespace tercet
