#include "registry/deployment_switch.h"

#include <algorithm>

namespace tercet {

int64_t NumberOf(const Deployment& deployment, const std::string& release_id) {
  int64_t newest = 0;
  for (const Deployment::Switch& item : deployment.history) {
    if (item.release_id == release_id) return item.number;
    newest = std::max(newest, item.number);
  }
  return newest + 1;
}

void Serve(Deployment* deployment, Deployment::Switch next) {
  const std::string why = "the deployment was switched to release " + std::to_string(next.number) +
                          " (" + next.action + " by " + next.by + ")";
  if (deployment->canary && deployment->canary->running()) {
    deployment->canary->state = "stopped";
    deployment->canary->why = why;
  }
  if (deployment->experiment && deployment->experiment->running()) {
    deployment->experiment->state = "stopped";
    deployment->experiment->stopped_us = next.switched_us;
    deployment->experiment->why = why;
  }
  deployment->release_id = next.release_id;
  deployment->history.push_back(std::move(next));
  deployment->traffic = {};
}

Status CheckNoTrial(const Deployment& deployment) {
  if (deployment.canary && deployment.canary->running()) {
    return Status::Invalid("a canary of release ", deployment.canary->number,
                           " runs on deployment '", deployment.name,
                           "' and rules its traffic; end it first");
  }
  if (deployment.experiment && deployment.experiment->running()) {
    return Status::Invalid("an experiment runs on deployment '", deployment.name,
                           "' and rules its traffic; stop it first");
  }
  return Status::OK();
}

}  // namespace tercet
