#include "inference/referee.h"

#include <algorithm>
#include <chrono>

#include "base/id.h"
#include "base/log.h"
#include "base/short_text.h"
#include "inference/request_id.h"

namespace tercet {
namespace {

constexpr std::chrono::milliseconds kTick{500};
/// Who the history says decided.
constexpr const char* kBy = "canary";

json::array ToJson(const std::vector<ArmFigures>& arms) {
  json::array list;
  for (const ArmFigures& arm : arms) list.push_back(arm.ToJson());
  return list;
}

std::vector<ArmFigures> FiguresOf(const std::vector<int64_t>& numbers, const TrialCounts& counts,
                                  const OutcomeComparison& outcomes) {
  std::vector<ArmFigures> figures;
  for (const int64_t number : numbers) {
    const auto found = counts.find(number);
    figures.push_back(FiguresOf(number, found == counts.end() ? ArmCounts() : found->second,
                                outcomes.of(number)));
  }
  return figures;
}

}  // namespace

Referee::Referee(Registry* registry, std::shared_ptr<FileSystem> file_system, std::string folder,
                 const Clock* clock)
    : registry_(registry),
      file_system_(std::move(file_system)),
      folder_(std::move(folder)),
      clock_(clock),
      process_(NewUuid()) {}

Referee::~Referee() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  stop_.notify_all();
  if (thread.joinable()) thread.join();
  const std::lock_guard lock(mutex_);
  for (auto& [name, trial] : trials_) {
    const Status written = Write(&trial);
    if (!written.ok()) LogWarn("counts of a trial are lost: " + written.ToString());
  }
}

std::shared_ptr<ArmBook> Referee::BookOf(const Deployment& deployment) {
  const std::lock_guard lock(mutex_);
  Trial* trial = Follow(deployment, false);
  return trial == nullptr ? nullptr : trial->book;
}

Referee::Trial* Referee::Follow(const Deployment& deployment, bool ended_too) {
  const bool canary = deployment.canary && (deployment.canary->running() || ended_too);
  const bool experiment = deployment.experiment && (deployment.experiment->running() || ended_too);
  const auto found = trials_.find(deployment.name);
  if (!canary && !experiment) {
    if (found != trials_.end()) {
      const Status written = Write(&found->second);
      if (!written.ok()) LogWarn("counts of a trial are lost: " + written.ToString());
      trials_.erase(found);
    }
    return nullptr;
  }
  // The one that began last, where both have ended.
  const bool is_canary =
      canary && (!experiment || deployment.canary->started_us > deployment.experiment->started_us);
  const std::string& id = is_canary ? deployment.canary->id : deployment.experiment->id;
  const int64_t step = is_canary ? deployment.canary->step : 0;
  if (found != trials_.end()) {
    // A caller that read the deployment before its last step must not bring that back: a book begun
    // anew would replace the counts of this one.
    if (found->second.id == id && found->second.step >= step) return &found->second;
    const Status written = Write(&found->second);
    if (!written.ok()) LogWarn("counts of a trial are lost: " + written.ToString());
  }
  Trial& trial = trials_[deployment.name];
  trial.book = std::make_shared<ArmBook>();
  trial.written = -1;
  trial.step = step;
  if (trial.id != id) {
    trial.deployment = deployment.name;
    trial.id = id;
    trial.folder = JoinPath(JoinPath(folder_, deployment.name), id);
    ExperimentPlan plan;
    if (is_canary) {
      trial.numbers = {deployment.canary->served, deployment.canary->number};
      trial.started_us = deployment.canary->started_us;
    } else {
      trial.numbers = deployment.experiment->numbers;
      trial.started_us = deployment.experiment->started_us;
      plan = deployment.experiment->plan;
    }
    trial.outcomes = std::make_unique<OutcomeComparison>(trial.numbers, plan);
    trial.log = std::make_unique<OutcomeLog>(
        JoinPath(trial.folder, "outcomes.jsonl"),
        [into = trial.outcomes.get()](int64_t number, double value) { into->Add(number, value); });
  }
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { Run(); });
  return &trial;
}

Status Referee::Write(Trial* trial) {
  const TrialCounts counts = trial->book->Read();
  int64_t requests = 0;
  for (const auto& [number, arm] : counts) requests += arm.requests();
  if (requests == std::max<int64_t>(trial->written, 0)) return Status::OK();
  ARROW_RETURN_NOT_OK(file_system_->MakeDirectory(trial->folder));
  const std::string name = std::to_string(trial->step) + "-" + process_ + ".json";
  ARROW_RETURN_NOT_OK(
      file_system_->Replace(JoinPath(trial->folder, name), ToText(tercet::ToJson(counts))));
  trial->written = requests;
  return Status::OK();
}

Result<TrialCounts> Referee::Sum(const Trial& trial, int64_t step) {
  TrialCounts sum;
  ARROW_ASSIGN_OR_RAISE(const auto files, file_system_->List(trial.folder));
  const std::string prefix = std::to_string(step) + "-";
  for (const FileInfo& file : files) {
    if (!file.name.starts_with(prefix) || !file.name.ends_with(".json")) continue;
    const std::string path = JoinPath(trial.folder, file.name);
    ARROW_ASSIGN_OR_RAISE(const std::string text, file_system_->ReadFile(path));
    const auto read = [&]() -> Result<TrialCounts> {
      ARROW_ASSIGN_OR_RAISE(const json::object object, ParseJsonObject(text));
      return TrialCountsFromJson(object);
    }();
    if (!read.ok()) return Explain(read.status(), "'" + path + "'");
    Merge(*read, &sum);
  }
  return sum;
}

Result<CanaryEvidence> Referee::EvidenceOf(Trial* trial, const Canary& canary) {
  ARROW_RETURN_NOT_OK(Write(trial));
  ARROW_RETURN_NOT_OK(trial->log->Refresh());
  CanaryEvidence evidence;
  ARROW_ASSIGN_OR_RAISE(evidence.step, Sum(*trial, canary.step));
  evidence.baseline = evidence.step[canary.served];
  for (int64_t step = canary.step - 1;
       step >= 0 && evidence.baseline.successes < canary.plan.min_requests; --step) {
    ARROW_ASSIGN_OR_RAISE(TrialCounts before, Sum(*trial, step));
    evidence.baseline = before[canary.served];
  }
  evidence.served_outcomes = trial->outcomes->of(canary.served);
  evidence.canary_outcomes = trial->outcomes->of(canary.number);
  return evidence;
}

Status Referee::Judge(const std::string& name) {
  const auto deployment = registry_->GetDeployment(name);
  if (deployment.status().IsKeyError()) {
    trials_.erase(name);  // it was dropped
    return Status::OK();
  }
  ARROW_RETURN_NOT_OK(deployment.status());
  Trial* trial = Follow(*deployment, false);
  if (trial == nullptr) return Status::OK();
  ARROW_RETURN_NOT_OK(Write(trial));
  if (!deployment->canary || deployment->canary->id != trial->id) return Status::OK();
  const Canary& canary = *deployment->canary;
  ARROW_ASSIGN_OR_RAISE(const CanaryEvidence evidence, EvidenceOf(trial, canary));
  const CanaryVerdict verdict = JudgeCanary(canary, evidence, clock_->NowMicros());
  if (verdict.decision == CanaryVerdict::kWait) return Status::OK();
  const auto move = verdict.decision == CanaryVerdict::kBack ? Registry::CanaryMove::kRollBack
                                                             : Registry::CanaryMove::kStep;
  return registry_
      ->MoveCanary(name, canary, move, FiguresOf(trial->numbers, evidence.step, *trial->outcomes),
                   verdict.why, kBy)
      .status();
}

Status Referee::Look() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, trial] : trials_) names.push_back(name);
  Status all;
  for (const std::string& name : names) {
    const Status judged = Judge(name);
    if (!judged.ok() && all.ok()) {
      all = Explain(judged, "the trial on deployment '" + name + "'");
    }
  }
  return all;
}

void Referee::Run() {
  std::string last;
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, kTick, [this] { return stopping_; })) {
    lock.unlock();
    const Status looked = Look();
    // Once, not twice a second: a full disk stays full for a while.
    if (!looked.ok() && looked.ToString() != last) LogWarn(looked.ToString());
    last = looked.ok() ? "" : looked.ToString();
    lock.lock();
  }
}

Result<Canary> Referee::LiveCanary(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment, registry_->GetDeployment(name));
  if (!deployment.canary) {
    return Status::KeyError("no canary has been tried on deployment '", name, "'");
  }
  Canary canary = *deployment.canary;
  if (!canary.running()) return canary;
  const std::lock_guard lock(mutex_);
  Trial* trial = Follow(deployment, false);
  ARROW_ASSIGN_OR_RAISE(const CanaryEvidence evidence, EvidenceOf(trial, canary));
  canary.arms = FiguresOf(trial->numbers, evidence.step, *trial->outcomes);
  canary.why = JudgeCanary(canary, evidence, clock_->NowMicros()).why;
  return canary;
}

Result<json::object> Referee::ReportExperiment(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment, registry_->GetDeployment(name));
  if (!deployment.experiment) {
    return Status::KeyError("no experiment has been made on deployment '", name, "'");
  }
  Deployment only = deployment;
  only.canary.reset();
  const std::lock_guard lock(mutex_);
  // One that ended is looked at aside, so that it does not take the place of a canary that runs.
  std::map<std::string, Trial, std::less<>> kept;
  if (!deployment.experiment->running()) kept.swap(trials_);
  Trial* trial = Follow(only, true);
  const auto report = [&]() -> Result<json::object> {
    ARROW_RETURN_NOT_OK(Write(trial));
    ARROW_RETURN_NOT_OK(trial->log->Refresh());
    ARROW_ASSIGN_OR_RAISE(const TrialCounts counts, Sum(*trial, 0));
    return json::object{
        {"experiment", deployment.experiment->ToJson()},
        {"arms", ToJson(FiguresOf(trial->numbers, counts, *trial->outcomes))},
        {"differences", trial->outcomes->ToJson()},
        {"outcomes_ignored", trial->log->ignored()}};
  }();
  if (!deployment.experiment->running()) trials_.swap(kept);
  return report;
}

Result<int64_t> Referee::Record(const std::string& name, std::vector<Outcome> outcomes) {
  ARROW_ASSIGN_OR_RAISE(const Deployment deployment, registry_->GetDeployment(name));
  const std::lock_guard lock(mutex_);
  Trial* trial = Follow(deployment, false);
  if (trial == nullptr) {
    return Status::Invalid("neither a canary nor an experiment runs on deployment '", name,
                           "', so there is nothing to record outcomes for");
  }
  std::vector<Outcome> kept;
  for (Outcome& outcome : outcomes) {
    const auto read = RequestId::Read(name, outcome.request_id);
    if (outcome.number == 0 && (!read || read->number == 0)) {
      return Status::Invalid("request id '", ShortText(outcome.request_id),
                             "' is none that deployment '", name, "' gave; say which release ",
                             "answered it (the answer named its number)");
    }
    if (outcome.number == 0) outcome.number = read->number;
    if (read && read->time_ms < trial->started_us / 1000) continue;
    const auto& numbers = trial->numbers;
    if (std::find(numbers.begin(), numbers.end(), outcome.number) == numbers.end()) continue;
    kept.push_back(std::move(outcome));
  }
  ARROW_RETURN_NOT_OK(file_system_->MakeDirectory(trial->folder));
  return trial->log->Append(kept);
}

Status Referee::Clear(const Deployment& deployment) {
  const std::string folder = JoinPath(folder_, deployment.name);
  ARROW_ASSIGN_OR_RAISE(const auto entries, file_system_->List(folder));
  for (const FileInfo& entry : entries) {
    const bool needed = (deployment.canary && deployment.canary->id == entry.name) ||
                        (deployment.experiment && deployment.experiment->id == entry.name);
    if (!needed) ARROW_RETURN_NOT_OK(file_system_->RemoveTree(JoinPath(folder, entry.name)));
  }
  return Status::OK();
}

Status Referee::Forget(const std::string& deployment) {
  const std::lock_guard lock(mutex_);
  trials_.erase(deployment);
  return file_system_->RemoveTree(JoinPath(folder_, deployment));
}

}  // namespace tercet
