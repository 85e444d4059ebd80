#pragma once

#include <string>
#include <utility>
#include <vector>

#include "platform/platform.h"
#include "server/contract_cache.h"
#include "server/open_inference.h"
#include "server/router.h"

namespace tercet {

/// The REST routes by noun, each a thin layer over Platform's methods: api/openapi.yaml.
/// `platform` and the caches must outlive the routes.
std::vector<Route> FeatureGroupRoutes(Platform* platform);
std::vector<Route> FeatureViewRoutes(Platform* platform, VectorContracts* contracts);
std::vector<Route> TrainingRoutes(Platform* platform);
std::vector<Route> RunRoutes(Platform* platform);
/// Search, lineage, impact and annotations.
std::vector<Route> DiscoveryRoutes(Platform* platform);
std::vector<Route> ModelRoutes(Platform* platform);
/// Batch predictions that are begun here and followed as runs.
std::vector<Route> BatchRoutes(Platform* platform);
std::vector<Route> DeploymentRoutes(Platform* platform, DeploymentContracts* contracts);
std::vector<Route> TrialRoutes(Platform* platform);

/// The Open Inference Protocol, version 2.
std::vector<Route> InferenceProtocolRoutes(OpenInference* inference);

/// The contracts of other servers: KServe's first protocol (/v1/models/{m}:predict), SageMaker's
/// container and MLflow's scoring server (/ping, /invocations).
std::vector<Route> ScoringRoutes(Platform* platform, OpenInference* inference);

/// Adds routes whose requests are slow, as most are: by method, pattern and handler.
inline auto AddTo(std::vector<Route>* routes) {
  return [routes](std::string method, std::string pattern, Handler handler) {
    routes->push_back({.method = std::move(method),
                       .pattern = std::move(pattern),
                       .handler = std::move(handler),
                       .lane = nullptr});
  };
}

/// Bodies up to this size are answered on the I/O thread by hot routes.
inline constexpr size_t kHotBodyBytes = 64 << 10;

/// The lane of a prediction by the deployment that the first path argument names.
std::function<Lane(const HttpRequest&, const PathArguments&)> PredictionLane(
    DeploymentContracts* contracts);

}  // namespace tercet
