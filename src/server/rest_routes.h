#pragma once

#include <vector>

#include "platform/platform.h"
#include "server/contract_cache.h"
#include "server/router.h"

namespace tercet {

/// The REST routes by noun, each a thin layer over Platform's methods: api/openapi.yaml.
/// `platform` and the caches must outlive the routes.
std::vector<Route> FeatureGroupRoutes(Platform* platform);
std::vector<Route> FeatureViewRoutes(Platform* platform, VectorContracts* contracts);
std::vector<Route> TrainingRoutes(Platform* platform);
std::vector<Route> RunRoutes(Platform* platform);
std::vector<Route> ModelRoutes(Platform* platform);
std::vector<Route> DeploymentRoutes(Platform* platform, DeploymentContracts* contracts);

/// The Open Inference Protocol, version 2, over the project's deployments.
/// `ready`: false while the server drains.
std::vector<Route> InferenceProtocolRoutes(Platform* platform, DeploymentContracts* contracts,
                                           std::function<bool()> ready);

/// Bodies up to this size are answered on the I/O thread by hot routes.
inline constexpr size_t kHotBodyBytes = 64 << 10;

}  // namespace tercet
