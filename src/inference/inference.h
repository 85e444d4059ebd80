#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/table.h>

#include "catalog/vector_rows.h"
#include "catalog/row_predictor.h"
#include "catalog/verification.h"
#include "offline/feature_tables.h"
#include "registry/registry.h"
#include "runtime/predictor.h"
#include "view/view_plan.h"

namespace tercet {

class BatchStream;
class Referee;

struct BatchOptions {
  std::optional<int64_t> start_us, end_us;
  std::shared_ptr<arrow::Table> spine;
  int64_t memory_limit_bytes = 1LL << 30;
  std::function<void(double fraction)> progress;
};

struct Prediction {
  std::shared_ptr<arrow::RecordBatch> outputs;   ///< n rows of the signature's outputs
  std::shared_ptr<arrow::RecordBatch> features;  ///< n rows given to the model (transformed)
  std::vector<std::string> missing;              ///< "temp: expired (row 0)", for people
  std::string release_id;
  int64_t release_number = 0;
  std::string request_id;  ///< the request's own, else one that tells its release (request_id.h)
  StageTimes stages{};
};

/// Pipeline I: a release (or model) applied to new features, in batch or online. One release is
/// loaded once and kept; a prediction is made wholly by the release that the deployment pointed at
/// when the request began. A switch by any process is seen by every request that begins after it:
/// each asks the catalog's change counter first. Thread-safe.
///
/// A model without a view takes its inputs straight from the request: its entities are then its
/// signature's inputs, and nothing is looked up.
///
/// `referee`, if there is one, judges canaries by what is answered here. `allowed_sinks`: where
/// prediction logs may go besides (CheckSinkAllowed).
class Inference {
 public:
  Inference(Catalog* catalog, FeatureTables* tables, Registry* registry, VectorRows* online,
            const Clock* clock, const PredictorOptions& predictor_options,
            Referee* referee = nullptr,
            std::optional<std::vector<std::string>> allowed_sinks = std::nullopt,
            PythonFunctions* python = nullptr);
  ~Inference();

  /// Left keys, event time and the model's outputs for the view's rows in a time range or of a
  /// spine, with the features and transformations of the model's training dataset. For a model
  /// without a view: the spine's columns that are no inputs, and the outputs. Invalid when an
  /// output is named like a key.
  Result<std::shared_ptr<arrow::Table>> Batch(const Ref& model, const BatchOptions& options);
  /// The same piece by piece (batch.h). This must outlive it.
  Result<std::unique_ptr<BatchStream>> Stream(const Ref& model, const BatchOptions& options);

  /// Builds the release of a model, and stores nothing: checks that the model's signature fits the
  /// view's transformed features by name, number and type (Invalid naming the columns otherwise),
  /// and that the groups exist.
  Result<Release> MakeRelease(const Ref& model);

  /// Online prediction by deployment name. `entities`: entity keys and request parameters, or
  /// any view columns passed in. `event_time_us`: as of when, by default the clock's now. KeyError
  /// for an unknown deployment, Invalid or TypeError for entities that don't fit the contract,
  /// ExecutionError when the model fails, Overloaded and TooLate by the deployment's policy.
  Result<Prediction> Predict(const std::string& deployment,
                             const std::shared_ptr<arrow::RecordBatch>& entities,
                             std::optional<int64_t> event_time_us,
                             const std::string& request_id = {});

  /// The short way of single rows by deployment name; it costs little, so it is asked for with each
  /// request. Null when a request takes more: a part of the traffic goes elsewhere, or the release
  /// takes batches (ReleaseRows::Make). KeyError for an unknown deployment. This must outlive it.
  Result<std::shared_ptr<const RowPredictor>> PredictorOf(const std::string& deployment);

  /// The columns a request to this deployment may have, for metadata and JSON → Arrow.
  struct Contract {
    std::shared_ptr<arrow::Schema> entities;  ///< must be there
    std::shared_ptr<arrow::Schema> optional;  ///< may be passed in instead of looked up, or is a
                                              ///< column of the root group that is not needed
    std::shared_ptr<arrow::Schema> outputs;
    std::string release_id;
    int64_t release_number = 0;
    std::vector<std::string> python_features = {};  ///< on-demand ones that Python computes
  };
  Result<Contract> ContractOf(const std::string& deployment);

  /// What must hold before a model gets traffic, each looked at: its files load, it answers as it
  /// did when it was registered, the groups that a request reads are online and have rows. Its
  /// release is ready afterwards. Invalid when there can't be a release (MakeRelease).
  Result<std::vector<PreflightCheck>> Preflight(const Ref& model);

  /// Loads a release ahead of traffic.
  Status WarmUp(const Release& release);

  /// Writes what the prediction logs hold back. KeyError for an unknown deployment.
  Status FlushLog(const std::string& deployment);
  /// VerifyPredictions, of what this process has answered so far, too.
  Result<Verification> Verify(const std::string& deployment, const VerifyRequest& request);

  /// Writes requests slower than their deployment's policy says to this file too: slow_log.h. To be
  /// called before the first request.
  void LogSlowRequestsTo(std::string path);

  /// What this process answered for the deployment. KeyError when there is none.
  Result<ServingStatistics> Statistics(const std::string& deployment);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tercet
