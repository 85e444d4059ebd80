#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "catalog/model.h"

namespace tercet {

/// What deploy/ calls things on a cluster.
struct ManifestPlaces {
  std::string image = "tercet:0.1.0";
  std::string claim = "tercet-project";  ///< the volume claim with the project's directory
  std::string gpu = "nvidia.com/gpu";    ///< the resource that the cluster's GPUs are
};

/// Manifests in JSON, as `kubectl apply -f -` reads it: whoever schedules is asked for the GPUs
/// that a deployment's policy or a step names. Nothing here starts anything.

/// KServe's InferenceService of a deployment, of the runtime in deploy/kserve. Invalid for a name
/// that a Kubernetes service can't have.
Result<json::object> DeploymentManifest(const Deployment& deployment,
                                        const ManifestPlaces& places = {});

/// A Kubernetes Job that runs `tercet run WORDS…` once, for a training or other step. Invalid for
/// no words, and for GPUs out of range.
Result<json::object> StepManifest(const std::string& name, const std::vector<std::string>& words,
                                  int64_t gpus, const ManifestPlaces& places = {});

}  // namespace tercet
