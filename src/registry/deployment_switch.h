#pragma once

#include <cstdint>
#include <string>

#include "catalog/model.h"

namespace tercet {

/// What every change of a deployment's entry shares.

/// The number of a release within the deployment: its own when it was there before, else the next.
int64_t NumberOf(const Deployment& deployment, const std::string& release_id);

/// Points the deployment at another release, writes it into the history, and ends the traffic
/// beside it with the canary or experiment that ran on it.
void Serve(Deployment* deployment, Deployment::Switch next);

/// Invalid while a canary or an experiment runs, since both rule the traffic.
Status CheckNoTrial(const Deployment& deployment);

}  // namespace tercet
