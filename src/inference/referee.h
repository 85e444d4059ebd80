#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "inference/arm_counts.h"
#include "inference/canary.h"
#include "inference/experiment.h"
#include "inference/outcome_log.h"
#include "registry/registry.h"

namespace tercet {

/// Watches canaries and experiments. Each process counts what it answers, in a book per trial and
/// step, and writes its counts twice a second to a file of its own; the sum of the files is what a
/// canary is judged by. Any process may judge: what it decides is one compare-and-swap of the
/// deployment's entry, which names the step that it was decided in, so the first wins and the
/// others find it done. A process that is killed leaves its counts of half a second ago, and its
/// successor writes a file beside it.
///
/// Files: `<folder>/<deployment>/<trial>/<step>-<process>.json` and `…/outcomes.jsonl`.
///
/// Thread-safe. A thread is started by the first trial that is seen.
class Referee {
 public:
  Referee(Registry* registry, std::shared_ptr<FileSystem> file_system, std::string folder,
          const Clock* clock);
  /// Writes the last counts down.
  ~Referee();

  /// Where requests of this deployment are counted now; null while there is no trial.
  std::shared_ptr<ArmBook> BookOf(const Deployment& deployment);

  /// A deployment's canary with figures as of now; what it waits for as `why`.
  Result<Canary> LiveCanary(const std::string& deployment);
  /// platform/trials.h: Trials::GetExperiment.
  Result<json::object> ReportExperiment(const std::string& deployment);
  /// Trials::RecordOutcomes.
  Result<int64_t> Record(const std::string& deployment, std::vector<Outcome> outcomes);
  /// Removes the files of the deployment's earlier trials.
  Status Clear(const Deployment& deployment);
  /// Removes the files of a deployment that was dropped.
  Status Forget(const std::string& deployment);

  /// What the thread does twice a second: writes counts down, and judges canaries.
  Status Look();

 private:
  /// A step of a trial in this process.
  struct Trial {
    std::string deployment, id, folder;
    int64_t step = 0;
    int64_t started_us = 0;
    std::vector<int64_t> numbers;  ///< the releases; the first is the served one
    std::shared_ptr<ArmBook> book = std::make_shared<ArmBook>();
    int64_t written = -1;          ///< requests in the file
    std::unique_ptr<OutcomeComparison> outcomes;
    std::unique_ptr<OutcomeLog> log;
  };

  /// mutex_ is held for all of these.
  Trial* Follow(const Deployment& deployment, bool ended_too);
  Status Write(Trial* trial);
  Result<TrialCounts> Sum(const Trial& trial, int64_t step);
  Result<CanaryEvidence> EvidenceOf(Trial* trial, const Canary& canary);
  Status Judge(const std::string& deployment);
  void Run();

  Registry* const registry_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::string folder_;
  const Clock* const clock_;
  const std::string process_;  ///< names this process's files

  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;                                   ///< guarded by mutex_
  std::map<std::string, Trial, std::less<>> trials_;        ///< guarded by mutex_
  std::thread thread_;                                      ///< guarded by mutex_ until joined
};

}  // namespace tercet
