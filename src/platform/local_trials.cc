#include "platform/local_platform.h"

namespace tercet {
namespace {

using Arms = std::vector<std::pair<Release, TrafficArm>>;

/// Trials of a project in this process. Borrows all.
class LocalTrials : public Trials {
 public:
  LocalTrials(Registry* registry, Referee* referee,
              std::function<Result<Release>(const Ref&)> checked_release, std::string user)
      : registry_(registry),
        referee_(referee),
        checked_release_(std::move(checked_release)),
        user_(std::move(user)) {}

  Result<Deployment> StartCanary(const std::string& name, const Ref& model,
                                 const CanaryPlan& plan) override {
    ARROW_ASSIGN_OR_RAISE(const Release release, checked_release_(model));
    if (plan.max_drift > 0) {
      const arrow::DataType& type = *release.signature.outputs->field(0)->type();
      if (!arrow::is_numeric(type.id()) && type.id() != arrow::Type::BOOL) {
        return Status::Invalid("model '", model.ToText(), "' gives ", type.ToString(), " as '",
                               release.signature.outputs->field(0)->name(),
                               "', and only the drift of numbers can be judged");
      }
    }
    ARROW_ASSIGN_OR_RAISE(Deployment deployment,
                          registry_->StartCanary(name, release, plan, user_));
    ARROW_RETURN_NOT_OK(referee_->Clear(deployment));
    referee_->BookOf(deployment);
    return deployment;
  }

  Result<Canary> GetCanary(const std::string& name) override { return referee_->LiveCanary(name); }

  Result<Deployment> EndCanary(const std::string& name, bool promote) override {
    ARROW_ASSIGN_OR_RAISE(const Canary canary, referee_->LiveCanary(name));
    if (!canary.running()) {
      return Status::Invalid("the canary on deployment '", name, "' has ended (", canary.state,
                             "): ", canary.why);
    }
    return registry_->MoveCanary(
        name, canary,
        promote ? Registry::CanaryMove::kPromote : Registry::CanaryMove::kRollBack, canary.arms,
        "ended by hand in step " + std::to_string(canary.step + 1), user_);
  }

  Result<Deployment> StartExperiment(const std::string& name, const TrafficRequest& traffic,
                                     const ExperimentPlan& plan) override {
    Arms arms;
    for (const TrafficRequest::Arm& arm : traffic.arms) {
      ARROW_ASSIGN_OR_RAISE(const Release release, checked_release_(arm.model));
      arms.emplace_back(release, TrafficArm{.percent = arm.percent, .shadow = arm.shadow});
    }
    ARROW_ASSIGN_OR_RAISE(
        Deployment deployment,
        registry_->StartExperiment(name, arms, traffic.sticky_key, plan, user_));
    ARROW_RETURN_NOT_OK(referee_->Clear(deployment));
    referee_->BookOf(deployment);
    return deployment;
  }

  Result<json::object> GetExperiment(const std::string& name) override {
    return referee_->ReportExperiment(name);
  }

  Result<json::object> StopExperiment(const std::string& name) override {
    ARROW_RETURN_NOT_OK(registry_->StopExperiment(name, user_));
    return referee_->ReportExperiment(name);
  }

  Result<int64_t> RecordOutcomes(const std::string& name,
                                 const std::vector<Outcome>& outcomes) override {
    return referee_->Record(name, outcomes);
  }

 private:
  Registry* const registry_;
  Referee* const referee_;
  const std::function<Result<Release>(const Ref&)> checked_release_;
  const std::string user_;
};

}  // namespace

std::unique_ptr<Trials> LocalPlatform::MakeTrials() {
  return std::make_unique<LocalTrials>(
      &registry_, referee_.get(), [this](const Ref& model) { return CheckedRelease(model); },
      user());
}

}  // namespace tercet
