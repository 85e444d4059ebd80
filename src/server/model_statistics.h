#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "catalog/serving.h"
#include "server/open_inference.h"

namespace tercet {

/// How statistics of deployments are told: by Triton's protocol, and to Prometheus.

/// A count of requests and the time that they took together.
struct StatisticDuration {
  int64_t count = 0;
  int64_t ns = 0;
};

/// A release's statistics as Triton groups them: input is all that comes before the model.
struct TritonStatistics {
  StatisticDuration success, fail, queue, compute_input, compute_infer, compute_output;
  explicit TritonStatistics(const ReleaseStatistics& release);
};

/// {"model_stats": […]} of `GET /v2/models/{m}/stats`.
json::object ModelStatisticsJson(
    const std::vector<std::pair<std::string, ServingStatistics>>& deployments);

/// {"name", "platform", "max_batch_size", "input": […], …} of `GET /v2/models/{m}/config`.
json::object ModelConfigJson(const std::string& name, const DeploymentContract& contract);

/// Prometheus's text format: Triton's counters (nv_inference_…), KServe's histograms
/// (request_…_seconds) and the stages of Tercet's own (tercet_inference_stage_seconds).
std::string ServingMetricsText(
    const std::vector<std::pair<std::string, ServingStatistics>>& deployments);

}  // namespace tercet
