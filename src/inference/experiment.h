#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/json.h"
#include "catalog/trial.h"

namespace tercet {

/// Count, mean and variance of a stream of numbers (Welford 1962).
struct Moments {
  int64_t count = 0;
  double mean = 0;
  double squares = 0;  ///< sum of squared distances from the mean
  void Add(double value);
  double variance() const;  ///< the sample's; 0 below two values
};

/// The difference of two means, with what may be said of it at any time.
struct SequentialDifference {
  double difference = 0;     ///< second less first
  double low = 0, high = 0;  ///< infinite until both have kMinOutcomes
  double p_value = 1;        ///< always valid: small at any look with that probability at most
};

/// Outcomes of each side before anything is said: the interval stands on the central limit theorem.
inline constexpr int64_t kMinOutcomes = 100;

/// An always-valid comparison: the interval covers the true difference at *all* looks together with
/// probability 1 − alpha, however often and whenever one looks and stops, so peeking is free. It is
/// the two-sample mixture sequential probability ratio test with a normal mixture (Johari, Koomen,
/// Pekelis, Walsh: Always Valid Inference, Operations Research 70(3), 2022, section 6), with
/// variances estimated, which makes it an asymptotic confidence sequence (Waudby-Smith, Arbour,
/// Sinha, Kennedy, Ramdas, Annals of Statistics 52(6), 2024). With V the variance of the difference
/// of means and τ² the mixture's, its half width is √(V(V + τ²)/τ² · (2 ln 1/α + ln((V + τ²)/V))).
/// τ² is chosen so that it is narrowest when each side has about `planned` outcomes; a wrong guess
/// makes it wider, never wrong.
SequentialDifference CompareMeans(const Moments& first, const Moments& second, double alpha,
                                  int64_t planned);

/// What an experiment's outcomes say, in the order in which they arrived.
class OutcomeComparison {
 public:
  /// `numbers`: the releases; the first is the one that others are compared with. Of several
  /// differences each gets its part of alpha (Bonferroni).
  OutcomeComparison(std::vector<int64_t> numbers, const ExperimentPlan& plan);
  /// Of another release than these: ignored.
  void Add(int64_t number, double value);
  const Moments& of(int64_t number) const;

  /// [{"number", "difference", "low", "high", "p_value", "verdict", "series"}], see
  /// platform/trials.h. Numbers that are not finite are null.
  json::array ToJson() const;

 private:
  struct Point {
    int64_t outcomes = 0;
    std::vector<SequentialDifference> differences;
  };
  std::vector<SequentialDifference> Compare() const;

  const std::vector<int64_t> numbers_;
  const ExperimentPlan plan_;
  std::map<int64_t, Moments> moments_;
  int64_t added_ = 0;
  int64_t next_point_ = 0;  ///< look again when so many were added
  std::vector<Point> points_;
};

}  // namespace tercet
