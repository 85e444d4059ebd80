#include "server/trial_metrics.h"

#include <fmt/format.h>

#include "platform/trials.h"

namespace tercet {
namespace {

struct Metric {
  const char* name;
  const char* help;
  double (*value)(const ArmFigures&);
};

constexpr Metric kArmMetrics[] = {
    {"tercet_canary_requests", "Requests of an arm in this step of a canary.",
     [](const ArmFigures& arm) { return static_cast<double>(arm.requests); }},
    {"tercet_canary_failures", "Of those, failed.",
     [](const ArmFigures& arm) { return static_cast<double>(arm.failures); }},
    {"tercet_canary_p99_seconds", "99th percentile of their answers' time.",
     [](const ArmFigures& arm) { return arm.p99_us * 1e-6; }},
};

void AppendHead(const char* name, const char* help, std::string* text) {
  fmt::format_to(std::back_inserter(*text), "# HELP {} {}\n# TYPE {} gauge\n", name, help, name);
}

}  // namespace

Result<std::string> TrialMetricsText(Platform* platform) {
  ARROW_ASSIGN_OR_RAISE(const auto deployments, platform->ListDeployments());
  std::vector<std::pair<std::string, Canary>> canaries;
  for (const Deployment& deployment : deployments) {
    if (!deployment.canary || !deployment.canary->running()) continue;
    const auto canary = platform->trials()->GetCanary(deployment.name);
    if (canary.status().IsKeyError()) continue;  // dropped meanwhile
    ARROW_RETURN_NOT_OK(canary.status());
    if (canary->running()) canaries.emplace_back(deployment.name, *canary);
  }
  std::string text;
  const auto end = std::back_inserter(text);
  AppendHead("tercet_canary_percent", "Part of the requests that a running canary gets.", &text);
  for (const auto& [deployment, canary] : canaries) {
    fmt::format_to(end, "tercet_canary_percent{{deployment=\"{}\",release=\"{}\"}} {:g}\n",
                   deployment, canary.number, canary.percent());
  }
  for (const Metric& metric : kArmMetrics) {
    AppendHead(metric.name, metric.help, &text);
    for (const auto& [deployment, canary] : canaries) {
      for (const ArmFigures& arm : canary.arms) {
        fmt::format_to(end, "{}{{deployment=\"{}\",release=\"{}\"}} {:g}\n", metric.name,
                       deployment, arm.number, metric.value(arm));
      }
    }
  }
  return text;
}

}  // namespace tercet
