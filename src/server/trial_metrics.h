#pragma once

#include <string>

#include "platform/platform.h"

namespace tercet {

/// Canaries that run, to Prometheus: the percent of the requests that they get, and what both arms
/// did in this step, over all processes on the project.
Result<std::string> TrialMetricsText(Platform* platform);

}  // namespace tercet
