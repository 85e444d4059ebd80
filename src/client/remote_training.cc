#include "client/remote_call.h"
#include "client/remote_platform.h"
#include "client/wire.h"
#include "client/wire_frames.h"

namespace tercet {
namespace {

std::string DatasetPath(const Ref& view, int64_t version) {
  return PathOf("training-datasets", view) + "/" + std::to_string(version);
}

}  // namespace

Result<TrainingDatasetData> RemotePlatform::ReadDataset(json::object command, const Frame& spine,
                                                        const Progress& progress) const {
  struct Part {
    std::string name;
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  };
  std::vector<Part> parts;
  TrainingDatasetData data;
  bool whole = false;
  ARROW_RETURN_NOT_OK(flight_->Exchange(
      std::move(command), spine, progress,
      [&](const std::shared_ptr<arrow::RecordBatch>& batch, const json::object& message) -> Status {
        if (batch == nullptr) {
          ARROW_ASSIGN_OR_RAISE(const json::object definition, FindObject(message, "definition"));
          ARROW_ASSIGN_OR_RAISE(data.definition, TrainingDatasetDefinition::FromJson(definition));
          whole = true;
          return Status::OK();
        }
        ARROW_ASSIGN_OR_RAISE(const std::string name, GetString(message, "part"));
        if (parts.empty() || parts.back().name != name) parts.push_back({name, {}});
        parts.back().batches.push_back(batch);
        return Status::OK();
      }));
  if (!whole) return Status::IOError("the server broke off a training dataset");
  for (const Part& part : parts) {
    ARROW_ASSIGN_OR_RAISE(const Frame frame,
                          arrow::Table::FromRecordBatches(part.batches[0]->schema(), part.batches));
    ARROW_ASSIGN_OR_RAISE(data.parts.emplace_back(), TrainingPartFromFrame(part.name, frame));
  }
  return data;
}

Result<TrainingDatasetData> RemotePlatform::CreateTrainingDataset(
    const Ref& view, const TrainingDataRequest& request, const Progress& progress) {
  json::object command = ToJson(request);
  command["verb"] = "training_data";
  command["view"] = view.ToText();
  return ReadDataset(std::move(command), request.spine, progress);
}

Result<TrainingDatasetData> RemotePlatform::RebuildTrainingDataset(const Ref& view, int64_t version,
                                                                   const Progress& progress) {
  return ReadDataset({{"verb", "rebuild"}, {"view", view.ToText()}, {"version", version}}, nullptr,
                     progress);
}

Result<TrainingDatasetData> RemotePlatform::TrainingFold(const Ref& view, int64_t version,
                                                         int64_t fold, const Progress& progress) {
  return ReadDataset({{"verb", "rebuild"},
                      {"view", view.ToText()},
                      {"version", version},
                      {"fold", fold}},
                     nullptr, progress);
}

Result<TrainingDatasetDefinition> RemotePlatform::GetTrainingDataset(const Ref& view,
                                                                     int64_t version) {
  return As<TrainingDatasetDefinition>(Call("GET", DatasetPath(view, version)));
}

Result<std::vector<TrainingDatasetDefinition>> RemotePlatform::ListTrainingDatasets(
    const std::optional<Ref>& view) {
  std::string path = "/api/v1/training-datasets";
  if (view) path += "?view=" + EncodeUrl(view->ToText());
  return AsItems<TrainingDatasetDefinition>(Call("GET", path));
}

Status RemotePlatform::DropTrainingDataset(const Ref& view, int64_t version) {
  return Call("DELETE", DatasetPath(view, version)).status();
}

Result<Run> RemotePlatform::StartRun(const Run& run) {
  return As<Run>(Call("POST", "/api/v1/runs", run.ToJson()));
}

Result<Run> RemotePlatform::LogRun(const std::string& id, const Run& additions) {
  return As<Run>(Call("PATCH", PathOf("runs", id), additions.ToJson()));
}

Result<Run> RemotePlatform::GetRun(const std::string& id) {
  return As<Run>(Call("GET", PathOf("runs", id)));
}

Result<std::vector<Run>> RemotePlatform::ListRuns() {
  return AsItems<Run>(Call("GET", "/api/v1/runs"));
}

Status RemotePlatform::DropRun(const std::string& id) {
  return Call("DELETE", PathOf("runs", id)).status();
}

Result<ModelDefinition> RemotePlatform::RegisterModel(const ModelDefinition& definition,
                                                      const ModelFiles& files) {
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader rows, ToReader(files));
  return As<ModelDefinition>(
      flight_->Put({{"verb", "register_model"}, {"definition", definition.ToJson()}}, rows));
}

Result<ModelDefinition> RemotePlatform::GetModel(const Ref& ref) {
  return As<ModelDefinition>(Call("GET", PathOf("models", ref)));
}

Result<std::vector<ModelDefinition>> RemotePlatform::ListModels() {
  return AsItems<ModelDefinition>(Call("GET", "/api/v1/models"));
}

Result<ModelFiles> RemotePlatform::ReadModelFiles(const Ref& ref) {
  ARROW_ASSIGN_OR_RAISE(const RecordBatchReader rows,
                        flight_->Get({{"verb", "model_files"}, {"model", ref.ToText()}}));
  return ModelFilesFromReader(rows.get());
}

Status RemotePlatform::DropModel(const Ref& ref) {
  return Call("DELETE", PathOf("models", ref)).status();
}

}  // namespace tercet
