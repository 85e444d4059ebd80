#include <algorithm>

#include "base/cell_row.h"
#include "catalog/row_predictor.h"
#include "inference/model_registration.h"
#include "platform/local_discovery.h"
#include "platform/local_platform.h"
#include "source/record_sink.h"

namespace tercet {

Result<ModelDefinition> LocalPlatform::RegisterModel(const ModelDefinition& definition,
                                                     const ModelFiles& files) {
  if (definition.format == ModelFormat::kPython && !options_.allow_predictor_code) {
    return Status::NotImplemented("model '", definition.name,
                                  "' brings Python code, which this server does not run; start it "
                                  "with --allow-predictor-code to allow it");
  }
  return tercet::RegisterModel(&registry_, catalog_.get(), definition, files, predictor_options());
}

Result<ModelDefinition> LocalPlatform::GetModel(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(ModelDefinition model, registry_.GetModel(ref));
  ARROW_RETURN_NOT_OK(discovery_->Describe(&model));
  return model;
}

Result<std::vector<ModelDefinition>> LocalPlatform::ListModels() {
  ARROW_ASSIGN_OR_RAISE(auto models, registry_.ListModels());
  for (ModelDefinition& model : models) ARROW_RETURN_NOT_OK(discovery_->Describe(&model));
  return models;
}

Result<ModelFiles> LocalPlatform::ReadModelFiles(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const ModelDefinition model, registry_.GetModel(ref));
  ARROW_ASSIGN_OR_RAISE(const std::string directory, registry_.ModelDirectory(model.ref()));
  ModelFiles files;
  for (const auto& [path, sha256] : model.files) {
    ARROW_ASSIGN_OR_RAISE(files[path], LocalFileSystem()->ReadFile(JoinPath(directory, path)));
  }
  return files;
}

Status LocalPlatform::DropModel(const Ref& ref) {
  return discovery_->Refused(registry_.DropModel(ref), Kind::kModel, ref);
}

Result<Frame> LocalPlatform::Batch(const Ref& model, std::optional<int64_t> start_us,
                                   std::optional<int64_t> end_us, const Frame& spine,
                                   const Progress& progress) {
  return inference_->Batch(model, {.start_us = start_us,
                                   .end_us = end_us,
                                   .spine = spine,
                                   .memory_limit_bytes = options_.memory_limit_bytes,
                                   .progress = progress});
}

Result<std::vector<PreflightCheck>> LocalPlatform::Preflight(const Ref& model) {
  return inference_->Preflight(model);
}

Result<Release> LocalPlatform::CheckedRelease(const Ref& model) {
  ARROW_ASSIGN_OR_RAISE(const auto checks, inference_->Preflight(model));
  for (const PreflightCheck& check : checks) {
    if (check.passed || !check.blocking) continue;
    return Status::Invalid("model '", model.ToText(), "' can't be deployed: its check '",
                           check.name, "' failed: ", check.detail);
  }
  return inference_->MakeRelease(model);
}

Result<Deployment> LocalPlatform::Deploy(const std::string& name, const Ref& model) {
  ARROW_ASSIGN_OR_RAISE(const Release release, CheckedRelease(model));
  return registry_.Deploy(name, release, user());
}

Result<Deployment> LocalPlatform::Upgrade(const std::string& name, const Ref& model) {
  ARROW_ASSIGN_OR_RAISE(const Release release, CheckedRelease(model));
  return registry_.Upgrade(name, release, user());
}

Result<Deployment> LocalPlatform::Rollback(const std::string& name) {
  return registry_.Rollback(name, user());
}

Result<Deployment> LocalPlatform::Downgrade(const std::string& name, int64_t number) {
  ARROW_ASSIGN_OR_RAISE(const Release release, ReleaseOf(name, number));
  // Ready before it is asked, and proved to load.
  ARROW_RETURN_NOT_OK(inference_->WarmUp(release));
  return registry_.Downgrade(name, number, user());
}

Result<Release> LocalPlatform::ReleaseOf(const std::string& name, int64_t number) {
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment, registry_.GetDeployment(name));
  int64_t newest = 0;
  for (const Deployment::Switch& item : deployment.history) {
    if (item.number == number) return registry_.GetRelease(item.release_id);
    newest = std::max(newest, item.number);
  }
  return Status::KeyError("deployment '", name, "' has no release ", number,
                          "; its releases are 1 to ", newest);
}

Result<Deployment> LocalPlatform::SetServingPolicy(const std::string& name,
                                                   const ServingPolicy& policy) {
  ARROW_RETURN_NOT_OK(CheckSinksAllowed(policy));
  return registry_.SetPolicy(name, policy);
}

Result<Deployment> LocalPlatform::ChangeServingPolicy(const std::string& name,
                                                      const json::object& changes) {
  return registry_.ChangePolicy(
      name, [&](const ServingPolicy& present) -> Result<ServingPolicy> {
        json::object changed = present.ToJson();
        for (const auto& change : changes) changed[change.key()] = change.value();
        ARROW_ASSIGN_OR_RAISE(const auto policy, ServingPolicy::FromJson(changed));
        if (changes.contains("sinks")) ARROW_RETURN_NOT_OK(CheckSinksAllowed(policy));
        return policy;
      });
}

Status LocalPlatform::CheckSinksAllowed(const ServingPolicy& policy) const {
  for (const PredictionSink& sink : policy.sinks) {
    ARROW_RETURN_NOT_OK(CheckSinkAllowed(sink, options_.allowed_sinks));
  }
  return Status::OK();
}

Result<Deployment> LocalPlatform::SetTraffic(const std::string& name,
                                             const TrafficRequest& traffic) {
  std::vector<std::pair<Release, TrafficArm>> arms;
  for (const TrafficRequest::Arm& arm : traffic.arms) {
    ARROW_ASSIGN_OR_RAISE(const Release release, CheckedRelease(arm.model));
    arms.emplace_back(release, TrafficArm{.percent = arm.percent, .shadow = arm.shadow});
  }
  return registry_.SetTraffic(name, arms, traffic.sticky_key, user());
}

Result<json::array> LocalPlatform::DiffReleases(const std::string& name, int64_t before,
                                                int64_t after) {
  ARROW_ASSIGN_OR_RAISE(const Release first, ReleaseOf(name, before));
  ARROW_ASSIGN_OR_RAISE(const Release second, ReleaseOf(name, after));
  return DiffOf(first, second);
}

Result<ServingStatistics> LocalPlatform::GetServingStatistics(const std::string& name) {
  return inference_->Statistics(name);
}

Result<Deployment> LocalPlatform::GetDeployment(const std::string& name) {
  return registry_.GetDeployment(name);
}

Result<std::vector<Deployment>> LocalPlatform::ListDeployments() {
  return registry_.ListDeployments();
}

Status LocalPlatform::DropDeployment(const std::string& name) {
  ARROW_RETURN_NOT_OK(registry_.DropDeployment(name));
  return referee_->Forget(name);
}

Result<Release> LocalPlatform::GetRelease(const std::string& id) {
  return registry_.GetRelease(id);
}

Result<DeploymentContract> LocalPlatform::Contract(const std::string& deployment) {
  ARROW_ASSIGN_OR_RAISE(const Inference::Contract contract, inference_->ContractOf(deployment));
  return DeploymentContract{.entities = contract.entities,
                            .optional = contract.optional,
                            .outputs = contract.outputs,
                            .release_id = contract.release_id,
                            .release_number = contract.release_number,
                            .python_features = contract.python_features};
}

Result<std::shared_ptr<const RowPredictor>> LocalPlatform::PredictorOf(
    const std::string& deployment) {
  return inference_->PredictorOf(deployment);
}

namespace {

/// The cells, row by row, of a batch of just these columns and a few rows; nullopt for any other.
std::optional<std::vector<Cell>> CellsOfRows(const arrow::RecordBatch& batch,
                                             const arrow::Schema& columns) {
  const auto rows = static_cast<size_t>(batch.num_rows());
  const auto width = static_cast<size_t>(columns.num_fields());
  if (rows == 0 || rows > RowPredictor::kMostRows || (width == 0 && rows > 1) ||
      batch.num_columns() != columns.num_fields()) {
    return std::nullopt;
  }
  std::vector<Cell> cells(rows * width);
  for (size_t c = 0; c < width; ++c) {
    const auto& field = columns.field(static_cast<int>(c));
    const int index = batch.schema()->GetFieldIndex(field->name());
    if (index < 0 || !batch.schema()->field(index)->type()->Equals(*field->type()) ||
        !IsCellType(*field->type())) {
      return std::nullopt;
    }
    const arrow::Array& column = *batch.column(index);
    for (size_t row = 0; row < rows; ++row) {
      cells[row * width + c] = CellOf(column, static_cast<int64_t>(row));
    }
  }
  return cells;
}

}  // namespace

Result<std::optional<PredictData>> LocalPlatform::PredictRows(const std::string& deployment,
                                                              const arrow::RecordBatch& entities,
                                                              const PredictRequest& request) {
  if (entities.num_rows() > static_cast<int64_t>(RowPredictor::kMostRows)) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const auto predictor, inference_->PredictorOf(deployment));
  if (predictor == nullptr) return std::nullopt;
  const auto cells = CellsOfRows(entities, *predictor->entities());
  if (!cells) return std::nullopt;
  thread_local RowPrediction prediction;
  prediction.request_id = request.request_id;
  ARROW_ASSIGN_OR_RAISE(const bool answered,
                        predictor->Predict(*cells, request.event_time_us, &prediction));
  if (!answered) return std::nullopt;
  PredictData data{.outputs = nullptr,
                   .missing = prediction.missing,
                   .release_id = std::string(prediction.release_id),
                   .release_number = prediction.release_number,
                   .request_id = prediction.request_id,
                   .stages = prediction.stages};
  ARROW_ASSIGN_OR_RAISE(data.outputs, BatchOfCells(predictor->outputs(), prediction.outputs));
  return data;
}

Result<PredictData> LocalPlatform::Predict(const std::string& deployment,
                                           const std::shared_ptr<arrow::RecordBatch>& entities,
                                           const PredictRequest& request) {
  constexpr size_t kRequestIdBytes = 200;
  if (request.request_id.size() > kRequestIdBytes) {
    return Status::Invalid("a request id of ", request.request_id.size(), " bytes; at most ",
                           kRequestIdBytes);
  }
  ARROW_ASSIGN_OR_RAISE(auto rows, PredictRows(deployment, *entities, request));
  if (rows) return *std::move(rows);
  ARROW_ASSIGN_OR_RAISE(
      Prediction prediction,
      inference_->Predict(deployment, entities, request.event_time_us, request.request_id));
  return PredictData{.outputs = std::move(prediction.outputs),
                     .missing = std::move(prediction.missing),
                     .release_id = std::move(prediction.release_id),
                     .release_number = prediction.release_number,
                     .request_id = std::move(prediction.request_id),
                     .stages = prediction.stages};
}

}  // namespace tercet
