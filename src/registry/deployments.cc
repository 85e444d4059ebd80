#include <algorithm>

#include "base/name.h"
#include "base/time_text.h"
#include "registry/deployment_switch.h"
#include "registry/registry.h"

namespace tercet {
namespace {

/// Switches that were not undone, oldest first; the last is the one served. A rollback takes the
/// last away instead of adding one, so that repeated rollbacks walk back and never to and fro.
std::vector<Deployment::Switch> Standing(const Deployment& deployment) {
  std::vector<Deployment::Switch> standing;
  for (const Deployment::Switch& item : deployment.history) {
    if (item.action == "traffic" || item.action == "canary" || item.action == "abort" ||
        item.action == "experiment") {
      continue;
    }
    if (item.action != "rollback") {
      standing.push_back(item);
    } else if (!standing.empty()) {
      standing.pop_back();
    }
  }
  return standing;
}

/// Every release of the history, which has those of the traffic too, so that none of what a
/// rollback needs can be dropped.
std::vector<NounRef> DependenciesOf(const Deployment& deployment) {
  std::vector<NounRef> releases;
  for (const Deployment::Switch& item : deployment.history) {
    const NounRef release{Kind::kRelease, {item.release_id, 1}};
    if (std::find(releases.begin(), releases.end(), release) == releases.end()) {
      releases.push_back(release);
    }
  }
  return releases;
}

Ref RefOf(const std::string& deployment) { return {deployment, 1}; }

struct Stored {
  Deployment deployment;
  int64_t revision = 0;
};

Result<Stored> Read(Catalog* catalog, const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const CatalogEntry entry, catalog->Get(Kind::kDeployment, RefOf(name)));
  ARROW_ASSIGN_OR_RAISE(Deployment deployment, Deployment::FromJson(entry.definition));
  return Stored{std::move(deployment), entry.revision};
}

Status Write(Catalog* catalog, const Stored& stored) {
  return catalog
      ->Update(Kind::kDeployment, RefOf(stored.deployment.name), stored.revision,
               stored.deployment.ToJson(), DependenciesOf(stored.deployment))
      .status();
}

/// Two writers that each ask for a certain release may both have their way, one after the other.
/// Every loser's retry means that another switch succeeded, so this many are never needed.
constexpr int kRetries = 1000;

}  // namespace

Result<Deployment> Registry::Switch(const std::string& name, const Release& release,
                                    const std::string& action, const std::string& by) {
  for (int tries = 0; tries < kRetries; ++tries) {
    // Within the loop: a deployment that is dropped at the same time takes its releases with it.
    ARROW_ASSIGN_OR_RAISE(const Release made, MakeRelease(release));
    ARROW_ASSIGN_OR_RAISE(const auto entry, catalog_->Find(Kind::kDeployment, RefOf(name)));
    Status done;
    Stored stored;
    if (entry) {
      ARROW_ASSIGN_OR_RAISE(stored.deployment, Deployment::FromJson(entry->definition));
      stored.revision = entry->revision;
      if (stored.deployment.release_id == made.id) return stored.deployment;
      Serve(&stored.deployment, {made.id, NumberOf(stored.deployment, made.id),
                                 clock_->NowMicros(), "upgrade", by, ""});
      done = Write(catalog_, stored);
    } else if (action == "deploy") {
      stored.deployment.name = name;
      Serve(&stored.deployment, {made.id, 1, clock_->NowMicros(), "deploy", by, ""});
      done = catalog_
                 ->Put(Kind::kDeployment, RefOf(name), stored.deployment.ToJson(),
                       DependenciesOf(stored.deployment))
                 .status();
    } else {
      return catalog_->Get(Kind::kDeployment, RefOf(name)).status();
    }
    if (done.ok()) return stored.deployment;
    const bool lost = done.IsCancelled() || done.IsAlreadyExists() || done.IsKeyError();
    if (!lost) return done;
  }
  return Status::Cancelled("deployment '", name, "' is being switched by others all the time");
}

Result<Deployment> Registry::Deploy(const std::string& name, const Release& release,
                                    const std::string& by) {
  ARROW_RETURN_NOT_OK(CheckName("deployment", name));
  return Switch(name, release, "deploy", by);
}

Result<Deployment> Registry::Upgrade(const std::string& name, const Release& release,
                                     const std::string& by) {
  // Before a release is stored for nothing; also says which names there are.
  ARROW_RETURN_NOT_OK(GetDeployment(name).status());
  return Switch(name, release, "upgrade", by);
}

Result<Deployment> Registry::Change(const std::string& name,
                                    const std::function<Status(Deployment*)>& change) {
  for (int tries = 0; tries < kRetries; ++tries) {
    ARROW_ASSIGN_OR_RAISE(Stored stored, Read(catalog_, name));
    const json::object before = stored.deployment.ToJson();
    ARROW_RETURN_NOT_OK(change(&stored.deployment));
    if (stored.deployment.ToJson() == before) return stored.deployment;
    const Status done = Write(catalog_, stored);
    if (done.ok()) return stored.deployment;
    if (!done.IsCancelled()) return done;
  }
  return Status::Cancelled("deployment '", name, "' is being switched by others all the time");
}

Result<Deployment> Registry::Downgrade(const std::string& name, int64_t number,
                                       const std::string& by) {
  return Change(name, [&](Deployment* deployment) -> Status {
    const auto& history = deployment->history;
    const auto found = std::find_if(history.begin(), history.end(), [&](const auto& item) {
      return item.number == number;
    });
    if (found == history.end()) {
      int64_t newest = 0;
      for (const auto& item : history) newest = std::max(newest, item.number);
      return Status::KeyError("deployment '", name, "' has no release ", number,
                              "; its releases are 1 to ", newest);
    }
    if (found->release_id == deployment->release_id) return Status::OK();
    Serve(deployment, {found->release_id, number, clock_->NowMicros(), "downgrade", by, ""});
    return Status::OK();
  });
}

Result<Deployment> Registry::SetPolicy(const std::string& name, const ServingPolicy& policy) {
  return ChangePolicy(name, [&](const ServingPolicy&) { return policy; });
}

Result<Deployment> Registry::ChangePolicy(
    const std::string& name,
    const std::function<Result<ServingPolicy>(const ServingPolicy&)>& change) {
  return Change(name, [&](Deployment* deployment) -> Status {
    ARROW_ASSIGN_OR_RAISE(deployment->policy, change(deployment->policy));
    return Status::OK();
  });
}

Result<Deployment> Registry::SetTraffic(const std::string& name,
                                        const std::vector<std::pair<Release, TrafficArm>>& arms,
                                        const std::string& sticky_key, const std::string& by) {
  return Change(name, [&](Deployment* deployment) -> Status {
    ARROW_RETURN_NOT_OK(CheckNoTrial(*deployment));
    return MakeTraffic(deployment, arms, sticky_key, "traffic", by);
  });
}

Status Registry::MakeTraffic(Deployment* deployment,
                             const std::vector<std::pair<Release, TrafficArm>>& arms,
                             const std::string& sticky_key, const std::string& action,
                             const std::string& by) {
  Traffic traffic{.arms = {}, .sticky_key = arms.empty() ? "" : sticky_key};
  for (const auto& [release, part] : arms) {
    ARROW_ASSIGN_OR_RAISE(const Release made, MakeRelease(release));
    TrafficArm arm = part;
    arm.release_id = made.id;
    arm.number = NumberOf(*deployment, made.id);
    const auto same = [&](const TrafficArm& other) { return other.release_id == arm.release_id; };
    if (made.id == deployment->release_id ||
        std::any_of(traffic.arms.begin(), traffic.arms.end(), same)) {
      return Status::Invalid("deployment '", deployment->name, "' would give traffic to release ",
                             arm.number, " ('", made.model.ToText(), "') twice");
    }
    const auto& before = deployment->traffic.arms;
    if (std::find(before.begin(), before.end(), arm) == before.end()) {
      deployment->history.push_back(
          {arm.release_id, arm.number, clock_->NowMicros(), action, by, ""});
    }
    traffic.arms.push_back(std::move(arm));
  }
  ARROW_RETURN_NOT_OK(traffic.Check());
  deployment->traffic = std::move(traffic);
  return Status::OK();
}

Result<Deployment> Registry::Rollback(const std::string& name, const std::string& by) {
  ARROW_ASSIGN_OR_RAISE(Stored stored, Read(catalog_, name));
  const std::vector<Deployment::Switch> standing = Standing(stored.deployment);
  if (standing.size() < 2) {
    return Status::Invalid("cannot roll back deployment '", name, "': nothing was served before ",
                           standing.empty() ? "" : "release " + std::to_string(standing[0].number));
  }
  const Deployment::Switch& before = standing[standing.size() - 2];
  Serve(&stored.deployment,
        {before.release_id, before.number, clock_->NowMicros(), "rollback", by, ""});
  const Status done = Write(catalog_, stored);
  if (done.IsCancelled()) {
    return Status::Cancelled("cannot roll back deployment '", name,
                             "': another switch came first; look at what is served now, then ",
                             "decide again");
  }
  ARROW_RETURN_NOT_OK(done);
  return stored.deployment;
}

Result<Deployment> Registry::GetDeployment(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(Stored stored, Read(catalog_, name));
  return std::move(stored.deployment);
}

Result<std::vector<Deployment>> Registry::ListDeployments() {
  ARROW_ASSIGN_OR_RAISE(const auto entries, catalog_->List(Kind::kDeployment));
  std::vector<Deployment> deployments;
  for (const CatalogEntry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(Deployment deployment, Deployment::FromJson(entry.definition));
    deployments.push_back(std::move(deployment));
  }
  return deployments;
}

Status Registry::DropDeployment(const std::string& name) {
  ARROW_ASSIGN_OR_RAISE(const auto releases,
                        catalog_->Dependencies(Kind::kDeployment, RefOf(name)));
  ARROW_RETURN_NOT_OK(catalog_->Drop(Kind::kDeployment, RefOf(name)));
  for (const NounRef& release : releases) {
    const Status dropped = catalog_->Drop(Kind::kRelease, release.ref);
    // Invalid: another deployment has it. KeyError: it is gone already.
    if (!dropped.ok() && !dropped.IsInvalid() && !dropped.IsKeyError()) return dropped;
  }
  return Status::OK();
}

}  // namespace tercet
