#include "client/remote_call.h"
#include "client/remote_platform.h"
#include "client/wire.h"

namespace tercet {

/// Trials of a project on a server.
class RemoteTrials : public Trials {
 public:
  explicit RemoteTrials(const RemotePlatform* platform) : platform_(platform) {}

  Result<Deployment> StartCanary(const std::string& name, const Ref& model,
                                 const CanaryPlan& plan) override {
    return RemotePlatform::As<Deployment>(platform_->Call(
        "PUT", PathOf(name, "/canary"), {{"model", model.ToText()}, {"plan", plan.ToJson()}}));
  }

  Result<Canary> GetCanary(const std::string& name) override {
    return RemotePlatform::As<Canary>(platform_->Call("GET", PathOf(name, "/canary")));
  }

  Result<Deployment> EndCanary(const std::string& name, bool promote) override {
    return RemotePlatform::As<Deployment>(
        platform_->Call("POST", PathOf(name, "/canary/end"), {{"promote", promote}}));
  }

  Result<Deployment> StartExperiment(const std::string& name, const TrafficRequest& arms,
                                     const ExperimentPlan& plan) override {
    return RemotePlatform::As<Deployment>(
        platform_->Call("PUT", PathOf(name, "/experiment"),
                        {{"traffic", ToJson(arms)}, {"plan", plan.ToJson()}}));
  }

  Result<json::object> GetExperiment(const std::string& name) override {
    return platform_->Call("GET", PathOf(name, "/experiment"));
  }

  Result<json::object> StopExperiment(const std::string& name) override {
    return platform_->Call("POST", PathOf(name, "/experiment/stop"));
  }

  Result<int64_t> RecordOutcomes(const std::string& name,
                                 const std::vector<Outcome>& outcomes) override {
    json::array items;
    for (const Outcome& outcome : outcomes) items.push_back(outcome.ToJson());
    ARROW_ASSIGN_OR_RAISE(const json::object answer,
                          platform_->Call("POST", PathOf(name, "/outcomes"),
                                          {{"outcomes", std::move(items)}}));
    return GetInt(answer, "recorded");
  }

 private:
  static std::string PathOf(const std::string& name, const char* rest) {
    return tercet::PathOf("deployments", name) + rest;
  }

  const RemotePlatform* const platform_;
};

std::unique_ptr<Trials> RemotePlatform::MakeTrials() {
  return std::make_unique<RemoteTrials>(this);
}

}  // namespace tercet
