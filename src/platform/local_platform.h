#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/runs.h"
#include "feature/ingest.h"
#include "inference/inference.h"
#include "inference/referee.h"
#include "offline/feature_tables.h"
#include "online/online_access.h"
#include "platform/local_batch_predictions.h"
#include "platform/local_prediction_logs.h"
#include "platform/local_view_exports.h"
#include "platform/platform.h"
#include "platform/trials.h"
#include "platform/project_layout.h"
#include "registry/registry.h"
#include "runtime/worker_functions.h"
#include "training/training_data.h"
#include "view/feature_views.h"

namespace tercet {

class LocalDiscovery;
class LocalNeighbors;

/// Platform on a directory or a bucket, in this process. It builds the stores and pipelines and
/// hands each verb to the room that has it.
class LocalPlatform : public Platform {
 public:
  static Result<std::shared_ptr<Platform>> Open(const std::string& location,
                                                const PlatformOptions& options,
                                                const Clock* clock);
  ~LocalPlatform() override;

  const std::string& location() const override { return location_; }
  Discovery* discovery() override;
  Neighbors* neighbors() override;

  Result<FeatureGroupDefinition> DefineFeatureGroup(
      const FeatureGroupDefinition& definition) override;
  Result<FeatureGroupDefinition> GetFeatureGroup(const Ref& ref) override;
  Result<std::vector<FeatureGroupDefinition>> ListFeatureGroups() override;
  Status DropFeatureGroup(const Ref& ref) override;
  Result<Commit> Insert(const Ref& ref, const RecordBatchReader& rows,
                        const InsertRequest& request) override;
  Result<Commit> Delete(const Ref& ref, const RecordBatchReader& keys, bool wait_online) override;
  Result<RecordBatchReader> Read(const Ref& ref, const ReadRequest& request) override;
  Result<std::vector<Commit>> Commits(const Ref& ref) override;
  Result<RecordBatchReader> Changes(const Ref& ref, int64_t since, int64_t until) override;
  Result<json::object> Statistics(const Ref& ref, const ReadRequest& request) override;
  Result<Commit> Compact(const Ref& ref) override;
  Result<FeatureGroupDefinition> AlterFeatureGroup(const Ref& ref,
                                                   const FeatureGroupChange& change) override;
  Result<VacuumReport> Vacuum(const Ref& ref, const VacuumRequest& request) override;
  Result<ErasureReport> Erase(const std::optional<Ref>& group,
                              const RecordBatchReader& keys) override;
  Result<json::object> DescribeFeatureGroup(const Ref& ref) override;
  Result<SqlData> Sql(const SqlRequest& request) override;
  Result<SqlStepData> RunSqlStep(const std::string& text) override;
  Status Materialize(const Ref& ref) override;
  Result<int64_t> RebuildOnline(const Ref& ref, std::optional<int64_t> version) override;

  Result<FeatureViewDefinition> DefineFeatureView(
      const FeatureViewDefinition& definition) override;
  Result<FeatureViewDefinition> GetFeatureView(const Ref& ref) override;
  Result<std::vector<FeatureViewDefinition>> ListFeatureViews() override;
  Status DropFeatureView(const Ref& ref) override;
  Result<VectorContract> ContractOfView(const Ref& ref) override;
  Result<VectorData> Vectors(const Ref& view, const VectorRequest& request) override;
  Result<std::shared_ptr<const VectorReader>> Reader(const Ref& view) override;
  ViewExports* view_exports() override { return &view_exports_; }
  Result<std::shared_ptr<const RowPredictor>> PredictorOf(const std::string& deployment) override;

  Result<TrainingDatasetData> CreateTrainingDataset(const Ref& view,
                                                    const TrainingDataRequest& request,
                                                    const Progress& progress) override;
  Result<TrainingDatasetData> RebuildTrainingDataset(const Ref& view, int64_t version,
                                                     const Progress& progress) override;
  Result<TrainingDatasetData> TrainingFold(const Ref& view, int64_t version, int64_t fold,
                                           const Progress& progress) override;
  Result<TrainingDatasetDefinition> GetTrainingDataset(const Ref& view, int64_t version) override;
  Result<std::vector<TrainingDatasetDefinition>> ListTrainingDatasets(
      const std::optional<Ref>& view) override;
  Status DropTrainingDataset(const Ref& view, int64_t version) override;

  Result<Run> StartRun(const Run& run) override { return runs_.Start(run); }
  Result<Run> LogRun(const std::string& id, const Run& additions) override {
    return runs_.Log(id, additions);
  }
  Result<Run> GetRun(const std::string& id) override { return runs_.Get(id); }
  Result<std::vector<Run>> ListRuns() override { return runs_.List(); }
  Status DropRun(const std::string& id) override { return runs_.Drop(id); }

  Result<ModelDefinition> RegisterModel(const ModelDefinition& definition,
                                        const ModelFiles& files) override;
  Result<ModelDefinition> GetModel(const Ref& ref) override;
  Result<std::vector<ModelDefinition>> ListModels() override;
  Result<ModelFiles> ReadModelFiles(const Ref& ref) override;
  Status DropModel(const Ref& ref) override;

  Result<Frame> Batch(const Ref& model, std::optional<int64_t> start_us,
                      std::optional<int64_t> end_us, const Frame& spine,
                      const Progress& progress) override;
  Result<Deployment> Deploy(const std::string& name, const Ref& model) override;
  Result<Deployment> Upgrade(const std::string& name, const Ref& model) override;
  Result<Deployment> Rollback(const std::string& name) override;
  Result<Deployment> Downgrade(const std::string& name, int64_t number) override;
  Result<std::vector<PreflightCheck>> Preflight(const Ref& model) override;
  Result<Deployment> SetServingPolicy(const std::string& name,
                                      const ServingPolicy& policy) override;
  Result<Deployment> ChangeServingPolicy(const std::string& name,
                                         const json::object& changes) override;
  Result<Deployment> SetTraffic(const std::string& name, const TrafficRequest& traffic) override;
  Result<json::array> DiffReleases(const std::string& name, int64_t before,
                                   int64_t after) override;
  Result<ServingStatistics> GetServingStatistics(const std::string& name) override;
  Result<Deployment> GetDeployment(const std::string& name) override;
  Result<std::vector<Deployment>> ListDeployments() override;
  Status DropDeployment(const std::string& name) override;
  Result<Release> GetRelease(const std::string& id) override;
  Result<DeploymentContract> Contract(const std::string& deployment) override;
  BatchPredictions* batch_predictions() override { return &batch_predictions_; }
  Trials* trials() override { return trials_.get(); }
  Result<PredictData> Predict(const std::string& deployment,
                              const std::shared_ptr<arrow::RecordBatch>& entities,
                              const PredictRequest& request) override;
  using Platform::Predict;
  PredictionLogs* prediction_logs() override { return &prediction_logs_; }

 private:
  /// The short way of a request of a few rows; nullopt where it takes more.
  Result<std::optional<PredictData>> PredictRows(const std::string& deployment,
                                                 const arrow::RecordBatch& entities,
                                                 const PredictRequest& request);
  LocalPlatform(std::string location, const ProjectLayout& layout, const PlatformOptions& options,
                const Clock* clock, std::unique_ptr<Catalog> catalog);

  Result<std::shared_ptr<Snapshot>> SnapshotOf(const Ref& ref, const ReadRequest& request);
  PredictorOptions predictor_options() const;
  /// Checks a model as Preflight does and makes its release; Invalid saying what failed.
  Result<Release> CheckedRelease(const Ref& model);
  /// A release of a deployment's history by its number; KeyError when it has none.
  Result<Release> ReleaseOf(const std::string& name, int64_t number);
  Status CheckSinksAllowed(const ServingPolicy& policy) const;
  std::string user() const;
  std::unique_ptr<Trials> MakeTrials();

  const std::string location_;
  const ProjectLayout layout_;
  const PlatformOptions options_;
  const Clock* const clock_;
  // In the order in which they stand on each other; destroyed in the reverse order.
  const std::unique_ptr<Catalog> catalog_;
  FeatureTables tables_;
  std::unique_ptr<OnlineAccess> online_;
  std::unique_ptr<Ingest> ingest_;
  WorkerFunctions functions_;
  FeatureViews views_;
  TrainingData training_;
  Runs runs_;
  Registry registry_;
  std::unique_ptr<Referee> referee_;
  std::unique_ptr<Inference> inference_;
  std::unique_ptr<LocalDiscovery> discovery_;
  std::unique_ptr<LocalNeighbors> neighbors_;
  LocalBatchPredictions batch_predictions_{this, &inference_, options_.memory_limit_bytes,
                                           layout_.batch_runs()};
  LocalPredictionLogs prediction_logs_{&inference_};
  LocalViewExports view_exports_{&views_, &tables_, &training_, options_.memory_limit_bytes};
  std::unique_ptr<Trials> trials_;
};

}  // namespace tercet
