#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "base/cell.h"
#include "base/json.h"
#include "base/result.h"
#include "catalog/erasure.h"
#include "catalog/feature_group.h"
#include "catalog/feature_group_change.h"
#include "catalog/feature_view.h"
#include "catalog/model.h"
#include "catalog/noun.h"
#include "catalog/online_rows.h"
#include "catalog/run.h"
#include "catalog/training_dataset.h"
#include "catalog/vacuum.h"

namespace tercet {

class Discovery;

class Neighbors;

class RowPredictor;

class BatchPredictions;
class PredictionLogs;
class Trials;

class ViewExports;

using RecordBatchReader = std::shared_ptr<arrow::RecordBatchReader>;
using Frame = std::shared_ptr<arrow::Table>;

/// Told now and then how far a long call is, from 0 to 1. May be empty; called from any thread.
using Progress = std::function<void(double fraction)>;

struct PlatformOptions {
  int64_t memory_limit_bytes = 2LL << 30;  ///< that a join, a write or training data hold at once
  bool allow_predictor_code = true;        ///< run Python predictor classes; a server's default is
                                           ///< false for models that clients upload
  /// Folders (and "postgres") that external groups may read from; nullopt: any. A server's default
  /// is none.
  std::optional<std::vector<std::string>> source_folders;
  /// Folders that file sinks of predictions may write to, and "postgres", "kafka"; nullopt: any. A
  /// server's default is none.
  std::optional<std::vector<std::string>> allowed_sinks;
  std::string python = "python3";          ///< interpreter for predictor classes
  /// Make an environment, by venv and pip, for each requirements.txt of a predictor class that has
  /// no interpreter, in the project's folder environments/; else `python` has to meet it.
  bool build_environments = false;
  /// Where online rows are kept: "redis://[:PASSWORD@]HOST:PORT[/DATABASE]", of a Cluster any node;
  /// empty: what TERCET_ONLINE says, else RocksDB in the project. Alike in all its processes.
  std::string online;
  std::string token;                       ///< for tercet:// addresses
  std::string user;                        ///< who switches deployments; empty: the process's user
  /// For s3:// locations: the local directory that keeps the catalog, the online store and copies
  /// of the bucket's files; by default that of TERCET_STATE.
  std::string state;
  /// For s3:// locations: settings by name, before those of the environment (bucket/s3_settings.h).
  std::map<std::string, std::string> storage_options;
};

/// Inserting into a feature group.
struct InsertRequest {
  InsertMode mode = InsertMode::kUpsert;
  std::string idempotency_key;  ///< a second insert with the same key changes nothing
  bool wait_online = false;     ///< return when online readers see the commit
};

/// Reading a feature group: at head unless `version` or `as_of_us` says otherwise (not both).
struct ReadRequest {
  std::vector<std::string> columns;  ///< empty: all
  std::optional<int64_t> version;    ///< as of this commit
  std::optional<int64_t> as_of_us;   ///< as of this commit time, microseconds since the epoch
  std::optional<int64_t> start_us;   ///< event time ≥ start
  std::optional<int64_t> end_us;     ///< event time < end
};

/// One query over the feature groups; docs/guides/sql.md says how they are named there.
struct SqlRequest {
  std::string query;                        ///< one SELECT in DuckDB's dialect
  std::optional<int64_t> as_of_us;          ///< all groups as of this commit time; else their heads
  std::map<std::string, int64_t> versions;  ///< group ("weather@1") → commit as of which to read it
  std::vector<std::string> files;           ///< files, and folders ending in '/', that it may read;
                                            ///< a server's are none
  std::optional<int64_t> time_limit_us;     ///< wall time until the last row; a server has its own
};

struct SqlData {
  RecordBatchReader rows;
  std::map<std::string, int64_t> pins;  ///< the groups that were read, as of which commit
};

/// What a step in SQL did; docs/guides/sql.md has the form of its text.
struct SqlStepData {
  Commit commit;                        ///< the new one, or the target's newest when `rows` is 0
  int64_t rows = 0;                     ///< that the query gave and the commit has
  std::optional<int64_t> watermark_us;  ///< where the next run begins; nullopt: it has none
  std::map<std::string, int64_t> pins;  ///< the groups that were read, as of which commit
};

/// What to make a training dataset of.
struct TrainingDataRequest {
  SplitDefinition split;
  int64_t seed = 0;
  std::optional<int64_t> start_us, end_us;
  Frame spine;  ///< null: the rows of the view's root group
  /// Instead of a spine: every entity of the root group as of each of these times.
  std::vector<int64_t> entity_times_us = {};
  /// Of the joined groups only what was committed by each row's time counts: they must keep their
  /// history (FeatureGroupDefinition::history).
  bool known_at = false;
};

/// One part of a training dataset; rows are aligned.
struct TrainingPartData {
  std::string name;
  Frame features;  ///< transformed
  Frame labels;
  Frame helpers;
  Frame keys;      ///< left keys and "event_time"
};

struct TrainingDatasetData {
  TrainingDatasetDefinition definition;
  std::vector<TrainingPartData> parts;
};

struct VectorRequest {
  std::shared_ptr<arrow::RecordBatch> entities;  ///< n rows; see ReadVectors
  std::optional<int64_t> event_time_us;          ///< as of when; by default the clock's now
  /// Apply the transformations fitted for this training dataset version (0: the newest); absent:
  /// untransformed.
  std::optional<int64_t> training_dataset_version;
};

struct VectorData {
  std::shared_ptr<arrow::RecordBatch> features;
  /// One column a view feature, "present", "missing", "expired" or "unavailable" a row.
  std::shared_ptr<arrow::RecordBatch> status;
  std::shared_ptr<arrow::RecordBatch> helpers;
};

/// Feature vectors of one view: of one entity, from what this process has in memory, computed
/// features among them, without a box around any value. Immutable, thread-safe; the platform must
/// outlive it.
class VectorReader {
 public:
  virtual ~VectorReader() = default;
  /// What an entity brings: nothing else, and all of it.
  virtual const std::shared_ptr<arrow::Schema>& entities() const = 0;
  virtual const std::shared_ptr<arrow::Schema>& features() const = 0;
  virtual const std::shared_ptr<arrow::Schema>& helpers() const = 0;
  /// `entity`: a cell for each of entities(), which must stay while `vector` is used. As of
  /// `event_time_us`, by default the clock's now. False when another process has the store, or the
  /// groups have changed since: Platform::Vectors answers.
  virtual Result<bool> Read(std::span<const Cell> entity, std::optional<int64_t> event_time_us,
                            VectorCells* vector) const = 0;
  /// The same for n entities, whose features are numbers and booleans, column by column into the
  /// caller's memory. `entities`: n × entities() cells, row by row; `features`: a target for each
  /// of features(). kElsewhere as false above, and where a vector takes more than looking up.
  virtual Result<ColumnsRead> ReadColumns(std::span<const Cell> entities,
                                          std::optional<int64_t> event_time_us,
                                          std::span<const ColumnTarget> features) const = 0;
};

/// What a request for a view's vectors takes and gives.
struct VectorContract {
  std::shared_ptr<arrow::Schema> entities;  ///< must be in a request
  std::shared_ptr<arrow::Schema> optional;  ///< view columns that may be passed in
  std::shared_ptr<arrow::Schema> features;  ///< before transformation
};

/// A model's files: relative path → bytes.
using ModelFiles = std::map<std::string, std::string>;

/// What comes with the entities of a prediction.
struct PredictRequest {
  std::optional<int64_t> event_time_us;  ///< as of when; by default the clock's now
  /// Names the request in the prediction log, so that labels find it; at most 200 bytes. Empty: the
  /// answer's own.
  std::string request_id;
};

struct PredictData {
  std::shared_ptr<arrow::RecordBatch> outputs;
  std::vector<std::string> missing;  ///< "temp: expired (row 0)"
  std::string release_id;
  int64_t release_number = 0;
  /// Names this answer: its time and release can be read from it, so that its outcome can be told
  /// later (platform/trials.h).
  std::string request_id;
  StageTimes stages{};  ///< of this process; zero from a server
};

/// What a deployment's requests go to beside the release that it serves.
struct TrafficRequest {
  struct Arm {
    Ref model;
    double percent = 0;   ///< of the requests
    bool shadow = false;  ///< its answers are compared and counted, never given
  };
  std::vector<Arm> arms;
  std::string sticky_key;  ///< see Traffic
};

/// What a deployment takes and gives.
struct DeploymentContract {
  std::shared_ptr<arrow::Schema> entities;  ///< must be in a request
  std::shared_ptr<arrow::Schema> optional;  ///< may be passed in instead of being looked up
  std::shared_ptr<arrow::Schema> outputs;
  std::string release_id;
  int64_t release_number = 0;
  /// On-demand features that Python computes, in a worker process, at every request.
  std::vector<std::string> python_features = {};
};

/// The whole product: the three pipelines and the state between them, of one project.
///
/// Platform::Open gives the implementation on a directory; client/client.h the same against a
/// server. A Ref with version 0 is the newest version. All methods may be called from any thread;
/// several processes may have one project open. Times are microseconds since the epoch, UTC.
/// Errors: base/result.h. Results are owned by the caller and never change.
class Platform {
 public:
  /// Opens or creates the project in a directory, or under "s3://bucket/prefix". IOError when it is
  /// not a project of this format or can't be written.
  static Result<std::shared_ptr<Platform>> Open(const std::string& location,
                                                const PlatformOptions& options = {});
  /// Waits until what was inserted is applied online.
  virtual ~Platform() = default;

  /// The directory or address, as it was opened.
  virtual const std::string& location() const = 0;

  /// Search, lineage, impact, descriptions and owners: platform/discovery.h. Lives as long as this.
  virtual Discovery* discovery() = 0;

  // -- F: feature groups ---------------------------------------------------------------------
  /// Gets or creates. AlreadyExists, showing the difference, when the stored definition differs.
  virtual Result<FeatureGroupDefinition> DefineFeatureGroup(
      const FeatureGroupDefinition& definition) = 0;
  virtual Result<FeatureGroupDefinition> GetFeatureGroup(const Ref& ref) = 0;
  virtual Result<std::vector<FeatureGroupDefinition>> ListFeatureGroups() = 0;
  /// Invalid when something depends on it, saying what.
  virtual Status DropFeatureGroup(const Ref& ref) = 0;

  virtual Result<Commit> Insert(const Ref& ref, const RecordBatchReader& rows,
                                const InsertRequest& request) = 0;
  /// Deletes by primary key, or by primary key and event time when `keys` has it.
  virtual Result<Commit> Delete(const Ref& ref, const RecordBatchReader& keys,
                                bool wait_online) = 0;
  virtual Result<RecordBatchReader> Read(const Ref& ref, const ReadRequest& request) = 0;
  virtual Result<std::vector<Commit>> Commits(const Ref& ref) = 0;
  /// Row changes in (since, until]; until < 0: the head. Columns: Table::Changes.
  virtual Result<RecordBatchReader> Changes(const Ref& ref, int64_t since, int64_t until) = 0;
  virtual Result<json::object> Statistics(const Ref& ref, const ReadRequest& request) = 0;
  virtual Result<Commit> Compact(const Ref& ref) = 0;
  /// Adds features, widens types, and changes description, tags, TTL and table properties; returns
  /// the new definition. Older commits, and training datasets made of them, keep what they had;
  /// views of the group go on working; the online store follows. Errors: Table::Alter's; Invalid
  /// for features, types and properties while the group has no table.
  virtual Result<FeatureGroupDefinition> AlterFeatureGroup(const Ref& ref,
                                                           const FeatureGroupChange& change) = 0;
  /// Removes files that no commit of the retention and no training dataset needs, and the old part
  /// of the log. Invalid, with nothing removed, where a pinned commit can't be read.
  virtual Result<VacuumReport> Vacuum(const Ref& ref, const VacuumRequest& request) = 0;
  /// Removes all rows of these entities from a group, or from every group whose primary key has
  /// all columns of `keys`: from their head, history, change feed and log, and from the online
  /// store. Training datasets that can no longer be rebuilt are named; the spine that came with one
  /// goes when it is dropped. KeyError when no group has the columns. Cut off in between, it is
  /// done by a second call.
  virtual Result<ErasureReport> Erase(const std::optional<Ref>& group,
                                      const RecordBatchReader& keys) = 0;
  /// {"rows", "bytes", "files", "version", "commit_time", "online_version", "properties"}.
  virtual Result<json::object> DescribeFeatureGroup(const Ref& ref) = 0;

  /// Rows as they come. KeyError for names that are not there, Invalid for what is no query,
  /// CapacityError and Cancelled beyond the limits of memory and time, NotImplemented for files.
  virtual Result<SqlData> Sql(const SqlRequest& request) = 0;
  /// Runs the text of a `.sql` step: the query's new rows become one commit of its target group,
  /// which is made when it is not there. A run without new rows changes nothing.
  virtual Result<SqlStepData> RunSqlStep(const std::string& text) = 0;
  /// Loads the rows that an external group's source has now into the online store.
  virtual Status Materialize(const Ref& ref) = 0;
  /// Loads an online group anew from its table as of a commit (nullopt: the newest), beside what is
  /// served, and switches to it at once; returns that commit. Later commits follow as always, with
  /// the group's next one at the latest. KeyError when the group is not online or has no such
  /// commit.
  virtual Result<int64_t> RebuildOnline(const Ref& ref, std::optional<int64_t> version) = 0;

  /// Nearest neighbours of embeddings: platform/neighbors.h. Lives as long as this.
  virtual Neighbors* neighbors() = 0;

  // -- the contract: feature views -----------------------------------------------------------
  virtual Result<FeatureViewDefinition> DefineFeatureView(
      const FeatureViewDefinition& definition) = 0;
  virtual Result<FeatureViewDefinition> GetFeatureView(const Ref& ref) = 0;
  virtual Result<std::vector<FeatureViewDefinition>> ListFeatureViews() = 0;
  virtual Status DropFeatureView(const Ref& ref) = 0;
  /// The columns of requests for vectors with their types, for doors that get text.
  virtual Result<VectorContract> ContractOfView(const Ref& ref) = 0;
  /// Feature vectors from the online store.
  virtual Result<VectorData> Vectors(const Ref& view, const VectorRequest& request) = 0;

  /// The short way to them, resolved against the catalog as it stands; it costs little, so ask for
  /// it with each request. Null when a vector takes more (keys that another row says, types that
  /// are no cells), or the project is elsewhere.
  virtual Result<std::shared_ptr<const VectorReader>> Reader(const Ref& /*view*/) {
    return nullptr;
  }

  /// Views that another engine runs: platform/view_export.h. Lives as long as this.
  virtual ViewExports* view_exports() = 0;

  // -- T: training data, runs, models --------------------------------------------------------
  virtual Result<TrainingDatasetData> CreateTrainingDataset(const Ref& view,
                                                            const TrainingDataRequest& request,
                                                            const Progress& progress) = 0;
  /// Makes a registered dataset again and proves that its bytes are equal.
  virtual Result<TrainingDatasetData> RebuildTrainingDataset(const Ref& view, int64_t version,
                                                             const Progress& progress) = 0;
  /// The rows that the model of one fold is trained and tested on ("train", "test"), of a dataset
  /// that was split into folds, transformed by what is fitted on this fold's training rows.
  virtual Result<TrainingDatasetData> TrainingFold(const Ref& view, int64_t version, int64_t fold,
                                                   const Progress& progress) = 0;
  virtual Result<TrainingDatasetDefinition> GetTrainingDataset(const Ref& view,
                                                               int64_t version) = 0;
  virtual Result<std::vector<TrainingDatasetDefinition>> ListTrainingDatasets(
      const std::optional<Ref>& view) = 0;
  virtual Status DropTrainingDataset(const Ref& view, int64_t version) = 0;

  virtual Result<Run> StartRun(const Run& run) = 0;  ///< gives it an id and a start time
  /// Adds parameters, metrics, inputs and outputs, and appends to the log of a running run; a
  /// status other than "running" ends it.
  virtual Result<Run> LogRun(const std::string& id, const Run& additions) = 0;
  virtual Result<Run> GetRun(const std::string& id) = 0;
  virtual Result<std::vector<Run>> ListRuns() = 0;  ///< newest first
  virtual Status DropRun(const std::string& id) = 0;

  /// Registers a model with its files; version 0 takes the next. An empty signature is inferred
  /// (tree ensembles and ONNX), its inputs named by the training dataset's features.
  virtual Result<ModelDefinition> RegisterModel(const ModelDefinition& definition,
                                                const ModelFiles& files) = 0;
  virtual Result<ModelDefinition> GetModel(const Ref& ref) = 0;
  virtual Result<std::vector<ModelDefinition>> ListModels() = 0;
  virtual Result<ModelFiles> ReadModelFiles(const Ref& ref) = 0;
  virtual Status DropModel(const Ref& ref) = 0;

  // -- I: predictions and deployments --------------------------------------------------------
  /// Left keys, event time and the model's outputs for view rows in a range of event time, or of
  /// a spine.
  virtual Result<Frame> Batch(const Ref& model, std::optional<int64_t> start_us,
                               std::optional<int64_t> end_us, const Frame& spine,
                               const Progress& progress) = 0;

  /// The same in pieces, to a file or a feature group: platform/batch_predictions.h. Lives as long
  /// as this.
  virtual BatchPredictions* batch_predictions() = 0;

  /// Creates the deployment, or upgrades it when there is one. Checks that the model fits.
  virtual Result<Deployment> Deploy(const std::string& name, const Ref& model) = 0;
  /// Switches a deployment to the release of another model; KeyError when there is none.
  virtual Result<Deployment> Upgrade(const std::string& name, const Ref& model) = 0;
  /// Back to the release that was served before; Invalid when there is none.
  virtual Result<Deployment> Rollback(const std::string& name) = 0;
  /// Serves the release of that number again; KeyError when the deployment never had it.
  virtual Result<Deployment> Downgrade(const std::string& name, int64_t number) = 0;
  /// What is checked before a model is deployed, without deploying it. Loads it.
  virtual Result<std::vector<PreflightCheck>> Preflight(const Ref& model) = 0;
  /// Sets the service level; the release that is served stays.
  virtual Result<Deployment> SetServingPolicy(const std::string& name,
                                              const ServingPolicy& policy) = 0;
  /// Sets what `changes` has, named as in ServingPolicy's JSON, and leaves the rest: of two
  /// who change it at once neither undoes the other.
  virtual Result<Deployment> ChangeServingPolicy(const std::string& name,
                                                 const json::object& changes) = 0;
  /// Gives a part of the requests to other models' releases; no arms end that. Checks the models
  /// as Deploy does. Every switch ends it too.
  virtual Result<Deployment> SetTraffic(const std::string& name,
                                        const TrafficRequest& traffic) = 0;
  /// What differs between two releases of a deployment, by their numbers: see DiffOf.
  virtual Result<json::array> DiffReleases(const std::string& name, int64_t before,
                                           int64_t after) = 0;
  /// What the deployment answered in this process (a server's: in that server) since it began.
  virtual Result<ServingStatistics> GetServingStatistics(const std::string& name) = 0;
  virtual Result<Deployment> GetDeployment(const std::string& name) = 0;
  virtual Result<std::vector<Deployment>> ListDeployments() = 0;
  virtual Status DropDeployment(const std::string& name) = 0;
  virtual Result<Release> GetRelease(const std::string& id) = 0;
  virtual Result<DeploymentContract> Contract(const std::string& deployment) = 0;
  /// Canaries and experiments: platform/trials.h. Lives as long as this.
  virtual Trials* trials() = 0;

  /// CapacityError when the deployment's queue is full, Cancelled when its deadline has passed:
  /// base/overload.h tells them apart from others of their code.
  virtual Result<PredictData> Predict(const std::string& deployment,
                                      const std::shared_ptr<arrow::RecordBatch>& entities,
                                      const PredictRequest& request) = 0;
  Result<PredictData> Predict(const std::string& deployment,
                              const std::shared_ptr<arrow::RecordBatch>& entities,
                              std::optional<int64_t> event_time_us) {
    return Predict(deployment, entities, PredictRequest{event_time_us, {}});
  }

  /// The short way to predictions of one entity (catalog/row_predictor.h), of the deployment as it
  /// stands; it costs little, so ask for it with each request. Null when they take more than that,
  /// or the project is elsewhere. KeyError when there is no such deployment.
  virtual Result<std::shared_ptr<const RowPredictor>> PredictorOf(
      const std::string& /*deployment*/) {
    return nullptr;
  }

  /// What deployments answered, and whether the offline store agrees: platform/prediction_logs.h.
  /// Lives as long as this.
  virtual PredictionLogs* prediction_logs() = 0;
};

}  // namespace tercet
