#pragma once

#include <string>
#include <vector>

#include "platform/platform.h"
#include "server/contract_cache.h"
#include "server/router.h"

namespace tercet {

/// Searches for nearest neighbours, and the indexes that answer them.
std::vector<Route> NeighborRoutes(Platform* platform, VectorContracts* contracts);

/// The indexes to Prometheus: rows, bytes, searches.
Result<std::string> NeighborMetricsText(Platform* platform);

}  // namespace tercet
