#pragma once

#include <string>

#include "catalog/verification.h"
#include "inference/served_releases.h"
#include "offline/feature_tables.h"

namespace tercet {

/// Proves on a deployment's prediction log that online answers are those of the offline tables
/// (promise 2, "No skew"): each logged request is asked again, by the same ReadVectors and of the
/// same release, with OfflineRows in place of the online store, and every feature's value, and the
/// event time of every row used, is compared bit for bit. Memory: the request's limit of rows, some
/// thousand at a time with their entities' history. KeyError when the deployment has no log.
Result<Verification> VerifyPredictions(FeatureTables* tables, Registry* registry,
                                       ServedReleases* releases, const std::string& deployment,
                                       const VerifyRequest& request);

}  // namespace tercet
