#pragma once

#include <string>

#include "catalog/trial.h"
#include "inference/arm_counts.h"
#include "inference/experiment.h"

namespace tercet {

/// All that a canary is judged by.
struct CanaryEvidence {
  TrialCounts step;           ///< of this step, over all processes
  /// The served release's in the newest step in which it had enough requests to compare with: at a
  /// hundred percent for the canary it gets none.
  ArmCounts baseline;
  Moments served_outcomes, canary_outcomes;  ///< since the canary began
};

struct CanaryVerdict {
  enum Decision { kWait, kForward, kBack } decision = kWait;
  std::string why;  ///< the figures, for people
};

/// Judges a canary that runs. Goes back as soon as it is clear that the canary fails too much, is
/// too slow, or gives other outputs or worse outcomes; forward when the step has lasted long enough
/// with enough requests (and outcomes) and nothing of that is so. Pure.
CanaryVerdict JudgeCanary(const Canary& canary, const CanaryEvidence& evidence, int64_t now_us);

/// What the figures of an arm are told as.
ArmFigures FiguresOf(int64_t number, const ArmCounts& counts, const Moments& outcomes);

/// The population stability index between two histograms over the first one's deciles, Σ (q − p) ln
/// (q / p), and how large chance alone makes it: it is about (1/n + 1/m) times chi-squared with one
/// degree less than there are bins (Yurdakul, Naranjo: Statistical Properties of the Population
/// Stability Index, Journal of Risk Model Validation 14(4), 2020); the bound is exceeded once in a
/// thousand.
struct Drift {
  double index = 0;
  double chance = 0;
};
Drift DriftBetween(const std::map<int64_t, int64_t>& before,
                   const std::map<int64_t, int64_t>& after);

}  // namespace tercet
