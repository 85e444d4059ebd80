#pragma once

#include <memory>
#include <string>

#include "client/flight_link.h"
#include "client/http_link.h"
#include "client/remote_discovery.h"
#include "client/remote_neighbors.h"
#include "platform/batch_predictions.h"
#include "platform/platform.h"
#include "platform/prediction_logs.h"
#include "platform/trials.h"
#include "platform/view_export.h"

namespace tercet {

/// Platform against a server: definitions, runs and small batches over HTTP, frames over Flight.
/// Results and errors are those of the server's own Platform.
class RemotePlatform : public Platform {
 public:
  /// `address`: "host:port" or "host:port/project". IOError when no server answers there,
  /// KeyError when it serves another project.
  static Result<std::shared_ptr<Platform>> Open(const std::string& location,
                                                const PlatformOptions& options);

  const std::string& location() const override { return location_; }
  Discovery* discovery() override { return &discovery_; }
  Neighbors* neighbors() override { return &neighbors_; }

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

  Result<FeatureViewDefinition> DefineFeatureView(const FeatureViewDefinition& definition) override;
  Result<FeatureViewDefinition> GetFeatureView(const Ref& ref) override;
  Result<std::vector<FeatureViewDefinition>> ListFeatureViews() override;
  Status DropFeatureView(const Ref& ref) override;
  Result<VectorContract> ContractOfView(const Ref& ref) override;
  Result<VectorData> Vectors(const Ref& view, const VectorRequest& request) override;

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

  Result<Run> StartRun(const Run& run) override;
  Result<Run> LogRun(const std::string& id, const Run& additions) override;
  Result<Run> GetRun(const std::string& id) override;
  Result<std::vector<Run>> ListRuns() override;
  Status DropRun(const std::string& id) override;

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
  BatchPredictions* batch_predictions() override { return batch_predictions_.get(); }
  Trials* trials() override { return trials_.get(); }
  Result<PredictData> Predict(const std::string& deployment,
                              const std::shared_ptr<arrow::RecordBatch>& entities,
                              const PredictRequest& request) override;
  using Platform::Predict;
  ViewExports* view_exports() override { return view_exports_.get(); }
  PredictionLogs* prediction_logs() override { return prediction_logs_.get(); }

 private:
  friend class RemoteBatchPredictions;
  friend class RemotePredictionLogs;
  friend class RemoteTrials;
  RemotePlatform(std::string location, std::unique_ptr<HttpLink> http,
                 std::unique_ptr<FlightLink> flight);

  std::unique_ptr<BatchPredictions> MakeBatchPredictions();
  std::unique_ptr<PredictionLogs> MakePredictionLogs();
  std::unique_ptr<Trials> MakeTrials();
  std::unique_ptr<ViewExports> MakeViewExports();
  /// The JSON object that a request is answered with; an error answer is that error.
  Result<json::object> Call(std::string_view method, const std::string& path) const;
  Result<json::object> Call(std::string_view method, const std::string& path,
                            const json::object& body) const;
  /// An Arrow body, answered by an Arrow body.
  Result<std::string> CallArrow(const std::string& path, std::string_view body) const;

  /// One noun, or a list of them, out of an answer.
  template <typename Noun>
  static Result<Noun> As(const Result<json::object>& answer);
  template <typename Noun>
  static Result<std::vector<Noun>> AsItems(const Result<json::object>& answer);

  Result<TrainingDatasetData> ReadDataset(json::object command, const Frame& spine,
                                          const Progress& progress) const;

  const std::string location_;
  const std::unique_ptr<HttpLink> http_;
  const std::unique_ptr<FlightLink> flight_;
  RemoteDiscovery discovery_{http_.get()};
  RemoteNeighbors neighbors_{http_.get()};
  const std::unique_ptr<BatchPredictions> batch_predictions_;
  const std::unique_ptr<PredictionLogs> prediction_logs_;
  const std::unique_ptr<Trials> trials_;
  const std::unique_ptr<ViewExports> view_exports_;
};

}  // namespace tercet
