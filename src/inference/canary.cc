#include "inference/canary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace tercet {
namespace {

constexpr double kSlowest = 0.01;  ///< the share of answers beyond the 99th percentile
constexpr size_t kDriftBins = 10;
constexpr double kChanceQuantile = 3.0902;  ///< of the standard normal, at 0.999
constexpr double kOutcomeAlpha = 0.05;

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// The 0.999 quantile of chi-squared (Wilson, Hilferty 1931).
double ChiSquaredBound(double degrees) {
  const double ninth = 2 / (9 * degrees);
  const double cube = 1 - ninth + kChanceQuantile * std::sqrt(ninth);
  return degrees * cube * cube * cube;
}

int64_t Sum(const std::map<int64_t, int64_t>& counts) {
  int64_t sum = 0;
  for (const auto& [bucket, count] : counts) sum += count;
  return sum;
}

std::string Millis(int64_t ns) { return fmt::format("{:.3g} ms", static_cast<double>(ns) * 1e-6); }

/// What can be said against the canary; empty while there is nothing.
std::string Objection(const Canary& canary, const ArmCounts& tried,
                      const CanaryEvidence& evidence) {
  const CanaryPlan& plan = canary.plan;
  const ArmCounts& served = evidence.baseline;
  // So many may fail before the least number of requests; more can't be made good any more.
  const double allowed = plan.max_failure_rate + Share(served.failures, served.requests());
  const int64_t considered = std::max(tried.requests(), plan.min_requests);
  if (static_cast<double>(tried.failures) > allowed * static_cast<double>(considered)) {
    return fmt::format("{} of its {} requests failed; {:.3g} percent may", tried.failures,
                       tried.requests(), 100 * allowed);
  }
  const bool enough =
      tried.successes >= plan.min_requests && served.successes >= plan.min_requests;
  if (plan.max_latency_ratio > 0 && enough) {
    const int64_t limit_ns = static_cast<int64_t>(
        plan.max_latency_ratio * static_cast<double>(served.latency.Quantile(1 - kSlowest)));
    const double expected = kSlowest * static_cast<double>(tried.successes);
    const int64_t slow = tried.latency.CountAbove(limit_ns);
    if (static_cast<double>(slow) >
        expected + 3 * std::sqrt(expected * (1 - kSlowest))) {
      return fmt::format("{} of its {} answers took longer than {}, {:g} times the served p99",
                         slow, tried.successes, Millis(limit_ns), plan.max_latency_ratio);
    }
  }
  if (plan.max_drift > 0 && enough) {
    const Drift drift = DriftBetween(served.values, tried.values);
    if (drift.index > plan.max_drift + drift.chance) {
      return fmt::format("its outputs are spread differently: stability index {:.3g}, of which "
                         "chance explains {:.3g} and {:.3g} is allowed",
                         drift.index, drift.chance, plan.max_drift);
    }
  }
  if (!plan.better.empty()) {
    const SequentialDifference outcomes =
        CompareMeans(evidence.served_outcomes, evidence.canary_outcomes, kOutcomeAlpha,
                     std::max(plan.min_outcomes, kMinOutcomes));
    const bool worse = plan.better == "higher" ? outcomes.high < -plan.max_outcome_loss
                                               : outcomes.low > plan.max_outcome_loss;
    if (worse) {
      return fmt::format("its outcomes are worse: mean {:.4g} against {:.4g}, difference within "
                         "[{:.4g}, {:.4g}]",
                         evidence.canary_outcomes.mean, evidence.served_outcomes.mean,
                         outcomes.low, outcomes.high);
    }
  }
  return "";
}

/// What is missing before the step can end; empty when nothing is.
std::string Missing(const Canary& canary, const ArmCounts& tried, const CanaryEvidence& evidence,
                    int64_t now_us) {
  const CanaryPlan& plan = canary.plan;
  const int64_t left_ms = plan.dwell_ms - (now_us - canary.step_us) / 1000;
  if (left_ms > 0) {
    return fmt::format("the step lasts {:.1f} s more", 1e-3 * static_cast<double>(left_ms));
  }
  if (tried.requests() < plan.min_requests) {
    return fmt::format("it had {} of {} requests", tried.requests(), plan.min_requests);
  }
  if (!plan.better.empty()) {
    const int64_t least =
        std::min(evidence.served_outcomes.count, evidence.canary_outcomes.count);
    if (least < plan.min_outcomes) {
      return fmt::format("an arm has {} of {} outcomes", least, plan.min_outcomes);
    }
  }
  return "";
}

std::string Summary(const ArmCounts& tried, const ArmCounts& served) {
  return fmt::format("{} requests, {:.3g} percent failed (served: {:.3g}), p99 {} (served: {})",
                     tried.requests(), 100 * Share(tried.failures, tried.requests()),
                     100 * Share(served.failures, served.requests()),
                     Millis(tried.latency.Quantile(1 - kSlowest)),
                     Millis(served.latency.Quantile(1 - kSlowest)));
}

}  // namespace

CanaryVerdict JudgeCanary(const Canary& canary, const CanaryEvidence& evidence, int64_t now_us) {
  const auto found = evidence.step.find(canary.number);
  const ArmCounts tried = found == evidence.step.end() ? ArmCounts() : found->second;
  if (std::string objection = Objection(canary, tried, evidence); !objection.empty()) {
    return {CanaryVerdict::kBack, std::move(objection)};
  }
  if (std::string missing = Missing(canary, tried, evidence, now_us); !missing.empty()) {
    return {CanaryVerdict::kWait, std::move(missing)};
  }
  return {CanaryVerdict::kForward, Summary(tried, evidence.baseline)};
}

ArmFigures FiguresOf(int64_t number, const ArmCounts& counts, const Moments& outcomes) {
  return {.number = number,
          .requests = counts.requests(),
          .failures = counts.failures,
          .p50_us = static_cast<double>(counts.latency.Quantile(0.5)) * 1e-3,
          .p99_us = static_cast<double>(counts.latency.Quantile(1 - kSlowest)) * 1e-3,
          .outcomes = outcomes.count,
          .outcome_mean = outcomes.mean,
          .outcome_deviation = std::sqrt(outcomes.variance())};
}

Drift DriftBetween(const std::map<int64_t, int64_t>& before,
                   const std::map<int64_t, int64_t>& after) {
  const int64_t n = Sum(before), m = Sum(after);
  if (n == 0 || m == 0) return {};
  // The upper buckets of the bins: where each further decile of `before` is reached. A value that
  // many share may fill several deciles, so there may be fewer bins.
  std::vector<int64_t> uppers;
  int64_t seen = 0;
  for (const auto& [bucket, count] : before) {
    seen += count;
    if (static_cast<double>(seen) * kDriftBins >=
        static_cast<double>(n) * static_cast<double>(uppers.size() + 1)) {
      uppers.push_back(bucket);
    }
  }
  // Another value than any before would be in no bin's share: one that is above all.
  uppers.back() = std::prev(before.end())->first;
  std::vector<std::array<int64_t, 2>> bins(uppers.size() + 1);
  const auto add = [&](const std::map<int64_t, int64_t>& counts, size_t side) {
    for (const auto& [bucket, count] : counts) {
      bins[std::lower_bound(uppers.begin(), uppers.end(), bucket) - uppers.begin()][side] += count;
    }
  };
  add(before, 0);
  add(after, 1);
  if (bins.back()[1] == 0) bins.pop_back();
  Drift drift;
  for (const auto& bin : bins) {
    // Half a value more in each bin keeps an empty one from being infinitely unlikely.
    const double smoothed = 0.5 * static_cast<double>(bins.size());
    const double p = (static_cast<double>(bin[0]) + 0.5) / (static_cast<double>(n) + smoothed);
    const double q = (static_cast<double>(bin[1]) + 0.5) / (static_cast<double>(m) + smoothed);
    drift.index += (q - p) * std::log(q / p);
  }
  if (bins.size() > 1) {
    drift.chance = (1.0 / static_cast<double>(n) + 1.0 / static_cast<double>(m)) *
                   ChiSquaredBound(static_cast<double>(bins.size() - 1));
  }
  return drift;
}

}  // namespace tercet
