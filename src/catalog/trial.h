#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// What is tried on a part of a deployment's traffic: a canary, which decides by itself whether its
/// release takes over, or an experiment, which measures and leaves the decision to people. A
/// deployment has at most one at a time, in its catalog entry.

/// What one arm did during a trial, over all processes on the project.
struct ArmFigures {
  int64_t number = 0;    ///< of the release
  int64_t requests = 0;  ///< answered or failed; refused and faulty requests are nobody's
  int64_t failures = 0;  ///< of those: the model failed or its deadline passed
  double p50_us = 0, p99_us = 0;  ///< of answers, to 6 percent; 0 when there are none
  int64_t outcomes = 0;           ///< labels that arrived
  double outcome_mean = 0;
  double outcome_deviation = 0;  ///< standard deviation
  json::object ToJson() const;
  static Result<ArmFigures> FromJson(const json::object& object);
  bool operator==(const ArmFigures&) const = default;
};

/// How a canary goes forward, and what makes it go back.
struct CanaryPlan {
  /// Percents of the requests, ascending in (0, 100]; after the last the canary is promoted.
  std::vector<double> steps = {5, 25, 100};
  int64_t dwell_ms = 300'000;    ///< that a step lasts at least
  int64_t min_requests = 100;    ///< that the canary must have had in a step before it ends
  /// The share of requests that the canary may fail beyond the share that the served release does.
  double max_failure_rate = 0.01;
  /// More than one in a hundred of its answers slower than so many times the served release's p99,
  /// beyond what chance explains, is too slow; 0: not judged.
  double max_latency_ratio = 1.5;
  /// Population stability index between both arms' first output, beyond what chance explains; 0.1
  /// is usually called small and 0.25 large; 0: not judged.
  double max_drift = 0;
  std::string better;           ///< "higher" or "lower" outcomes; empty: they are not judged
  double max_outcome_loss = 0;  ///< by which the canary's mean outcome may be worse
  int64_t min_outcomes = 100;   ///< of each arm before a step ends, when outcomes are judged
  std::string sticky_key;       ///< see Traffic
  json::object ToJson() const;
  /// Members that are missing keep their defaults. Invalid for numbers out of range.
  static Result<CanaryPlan> FromJson(const json::object& object);
  bool operator==(const CanaryPlan&) const = default;
};

struct Canary {
  std::string id;
  CanaryPlan plan;
  std::string release_id;   ///< of the canary
  int64_t number = 0;       ///< of its release
  int64_t served = 0;       ///< number of the release that it is judged against
  std::string state;        ///< "running", "promoted", "rolled_back" or "stopped"
  int64_t step = 0;         ///< index into plan.steps
  int64_t started_us = 0;
  int64_t step_us = 0;      ///< when this step began
  std::string why;          ///< of the last decision
  std::vector<ArmFigures> arms;  ///< of the step, as of the last decision; while it runs, as of now
                                 ///< where a live view is asked for
  bool running() const { return state == "running"; }
  double percent() const { return running() ? plan.steps[static_cast<size_t>(step)] : 0; }
  json::object ToJson() const;
  static Result<Canary> FromJson(const json::object& object);
};

struct ExperimentPlan {
  std::string better = "higher";   ///< or "lower" outcomes
  double alpha = 0.05;             ///< chance of ever telling a difference where there is none
  int64_t planned_outcomes = 1000; ///< of each arm: the interval is narrowest about there
  json::object ToJson() const;
  static Result<ExperimentPlan> FromJson(const json::object& object);
  bool operator==(const ExperimentPlan&) const = default;
};

struct Experiment {
  std::string id;
  ExperimentPlan plan;
  std::vector<int64_t> numbers;  ///< of the releases compared; the first is the served one
  std::string state;             ///< "running" or "stopped"
  int64_t started_us = 0;
  int64_t stopped_us = 0;
  std::string why;         ///< it was stopped
  bool running() const { return state == "running"; }
  json::object ToJson() const;
  static Result<Experiment> FromJson(const json::object& object);
};

/// What became of a request: its label, loss or profit.
struct Outcome {
  std::string request_id;
  double value = 0;
  int64_t number = 0;  ///< of the release that answered; 0: read from a request id of Tercet's own
  json::object ToJson() const;
  static Result<Outcome> FromJson(const json::object& object);
};

}  // namespace tercet
