#include <algorithm>

#include <fmt/format.h>

#include "base/id.h"
#include "registry/deployment_switch.h"
#include "registry/registry.h"

namespace tercet {
namespace {

std::string PercentText(double percent) { return fmt::format("{:g} percent", percent); }

/// Arms that answer leave no room for a canary or an experiment, whose figures they would mix up.
Status CheckNoArms(const Deployment& deployment) {
  for (const TrafficArm& arm : deployment.traffic.arms) {
    if (arm.shadow) continue;
    return Status::Invalid("deployment '", deployment.name, "' gives ", arm.percent,
                           " percent of its requests to release ", arm.number,
                           " already; end that split first");
  }
  return Status::OK();
}

/// The canary's arm gets `percent`; shadows stay.
void GiveCanary(Deployment* deployment, double percent) {
  std::erase_if(deployment->traffic.arms, [](const TrafficArm& arm) { return !arm.shadow; });
  const Canary& canary = *deployment->canary;
  if (percent > 0) {
    deployment->traffic.arms.insert(deployment->traffic.arms.begin(),
                                    {.release_id = canary.release_id,
                                     .number = canary.number,
                                     .percent = percent,
                                     .shadow = false});
  }
  deployment->traffic.sticky_key = percent > 0 ? canary.plan.sticky_key : "";
}

}  // namespace

Result<Deployment> Registry::StartCanary(const std::string& name, const Release& release,
                                         const CanaryPlan& plan, const std::string& by) {
  return Change(name, [&](Deployment* deployment) -> Status {
    ARROW_RETURN_NOT_OK(CheckNoTrial(*deployment));
    ARROW_RETURN_NOT_OK(CheckNoArms(*deployment));
    ARROW_ASSIGN_OR_RAISE(const Release made, MakeRelease(release));
    if (made.id == deployment->release_id) {
      return Status::Invalid("deployment '", name, "' serves model '", made.model.ToText(),
                             "' already; nothing is left to try");
    }
    const int64_t now_us = clock_->NowMicros();
    Canary canary{.id = NewUuid(), .plan = plan, .release_id = made.id};
    canary.number = NumberOf(*deployment, made.id);
    canary.served = deployment->number();
    canary.state = "running";
    canary.started_us = canary.step_us = now_us;
    canary.why = "started at " + PercentText(plan.steps[0]);
    deployment->history.push_back(
        {canary.release_id, canary.number, now_us, "canary", by, canary.why});
    deployment->canary = std::move(canary);
    GiveCanary(deployment, plan.steps[0]);
    return deployment->traffic.Check();
  });
}

Result<Deployment> Registry::MoveCanary(const std::string& name, const Canary& seen,
                                        CanaryMove move, const std::vector<ArmFigures>& arms,
                                        const std::string& why, const std::string& by) {
  return Change(name, [&](Deployment* deployment) -> Status {
    std::optional<Canary>& canary = deployment->canary;
    if (!canary || canary->id != seen.id || !canary->running() || canary->step != seen.step) {
      return Status::OK();
    }
    const int64_t now_us = clock_->NowMicros();
    canary->arms = arms;
    canary->why = why;
    if (move == CanaryMove::kStep && canary->step + 1 < std::ssize(canary->plan.steps)) {
      ++canary->step;
      canary->step_us = now_us;
      GiveCanary(deployment, canary->percent());
      deployment->history.push_back(
          {canary->release_id, canary->number, now_us, "canary", by,
           "to " + PercentText(canary->percent()) + ": " + why});
    } else if (move == CanaryMove::kRollBack) {
      canary->state = "rolled_back";
      GiveCanary(deployment, 0);
      deployment->history.push_back(
          {canary->release_id, canary->number, now_us, "abort", by, why});
    } else {
      canary->state = "promoted";
      Serve(deployment, {canary->release_id, canary->number, now_us, "promote", by, why});
    }
    return Status::OK();
  });
}

Result<Deployment> Registry::StartExperiment(
    const std::string& name, const std::vector<std::pair<Release, TrafficArm>>& arms,
    const std::string& sticky_key, const ExperimentPlan& plan, const std::string& by) {
  for (const auto& [release, arm] : arms) {
    if (arm.shadow || !(arm.percent > 0)) {
      return Status::Invalid("an experiment compares arms that answer; model '",
                             release.model.ToText(), "' is a shadow or gets no requests");
    }
  }
  if (arms.empty()) return Status::Invalid("an experiment needs another model to compare with");
  return Change(name, [&](Deployment* deployment) -> Status {
    ARROW_RETURN_NOT_OK(CheckNoTrial(*deployment));
    ARROW_RETURN_NOT_OK(CheckNoArms(*deployment));
    if (!deployment->traffic.arms.empty()) {
      return Status::Invalid("deployment '", name, "' has shadows; end them first");
    }
    Experiment experiment{.id = NewUuid(), .plan = plan, .numbers = {deployment->number()}};
    ARROW_RETURN_NOT_OK(MakeTraffic(deployment, arms, sticky_key, "experiment", by));
    double sum = 0;
    for (const TrafficArm& arm : deployment->traffic.arms) {
      experiment.numbers.push_back(arm.number);
      sum += arm.percent;
    }
    if (!(sum < 100)) {
      return Status::Invalid("the arms leave no requests to release ", experiment.numbers[0],
                             ", which they are compared with");
    }
    experiment.state = "running";
    experiment.started_us = clock_->NowMicros();
    deployment->experiment = std::move(experiment);
    return Status::OK();
  });
}

Result<Deployment> Registry::StopExperiment(const std::string& name, const std::string& by) {
  return Change(name, [&](Deployment* deployment) -> Status {
    if (!deployment->experiment || !deployment->experiment->running()) {
      return Status::Invalid("no experiment runs on deployment '", name, "'");
    }
    deployment->experiment->state = "stopped";
    deployment->experiment->stopped_us = clock_->NowMicros();
    deployment->experiment->why = "stopped by " + by;
    deployment->traffic = {};
    return Status::OK();
  });
}

}  // namespace tercet
