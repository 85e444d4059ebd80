#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "catalog/model.h"
#include "catalog/trial.h"
#include "platform/platform.h"

namespace tercet {

/// Canaries and experiments on a deployment's traffic. One at a time per deployment: Invalid while
/// another runs, or while the traffic has arms that answer. KeyError for an unknown deployment.
/// All of it is in the deployment's catalog entry and in files of the project, so it survives the
/// end of any process, and every process on the project takes part. Thread-safe.
class Trials {
 public:
  virtual ~Trials() = default;

  /// Gives the model's release the first step's percent of the requests. From then on every process
  /// that answers counts, and whichever sees first that a step is over makes the next, promotes or
  /// rolls back, by one compare-and-swap; the history says why. Checks the model as Deploy does.
  virtual Result<Deployment> StartCanary(const std::string& deployment, const Ref& model,
                                         const CanaryPlan& plan) = 0;
  /// The last canary with its arms' figures as of now. KeyError when there was none.
  virtual Result<Canary> GetCanary(const std::string& deployment) = 0;
  /// Ends a running canary by hand: promotes it, or goes back to the served release alone.
  virtual Result<Deployment> EndCanary(const std::string& deployment, bool promote) = 0;

  /// Splits the traffic and compares the arms' outcomes. Shadows are refused.
  virtual Result<Deployment> StartExperiment(const std::string& deployment,
                                             const TrafficRequest& arms,
                                             const ExperimentPlan& plan) = 0;
  /// The last experiment: {"experiment": Experiment, "arms": [ArmFigures], "differences": [{
  /// "number", "difference", "low", "high", "p_value", "verdict", "series": [{"outcomes",
  /// "difference", "low", "high"}]}], "outcomes_ignored"}. A difference is an arm's mean outcome
  /// less the served one's, with an interval that covers at every look with probability 1 − alpha;
  /// verdict is "better", "worse" or "open". KeyError when there was none.
  virtual Result<json::object> GetExperiment(const std::string& deployment) = 0;
  /// Ends it and the split; its figures stay.
  virtual Result<json::object> StopExperiment(const std::string& deployment) = 0;

  /// Outcomes of requests, durable when it returns, for the canary or experiment that runs. The
  /// first outcome of a request counts. Answers how many were new and of one of its arms; those of
  /// requests from before it are not. Invalid for a request id that is not Tercet's own unless the
  /// outcome names the release (and then nothing is stored); Invalid when nothing runs.
  virtual Result<int64_t> RecordOutcomes(const std::string& deployment,
                                         const std::vector<Outcome>& outcomes) = 0;
};

}  // namespace tercet
