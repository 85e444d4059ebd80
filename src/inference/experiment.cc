#include "inference/experiment.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tercet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// Looks of a series: each at so many times the outcomes of the one before.
constexpr double kPointGrowth = 1.15;

json::value OrNull(double number) {
  return std::isfinite(number) ? json::value(number) : json::value(nullptr);
}

}  // namespace

void Moments::Add(double value) {
  ++count;
  const double distance = value - mean;
  mean += distance / static_cast<double>(count);
  squares += distance * (value - mean);
}

double Moments::variance() const {
  return count < 2 ? 0 : squares / static_cast<double>(count - 1);
}

SequentialDifference CompareMeans(const Moments& first, const Moments& second, double alpha,
                                  int64_t planned) {
  SequentialDifference result{.difference = second.mean - first.mean};
  result.low = -kInfinity;
  result.high = kInfinity;
  if (std::min(first.count, second.count) < kMinOutcomes) return result;
  const double variance = first.variance() / static_cast<double>(first.count) +
                          second.variance() / static_cast<double>(second.count);
  // All outcomes of a side were equal, and nothing is known of how far they may lie apart.
  if (!(first.variance() > 0) || !(second.variance() > 0)) return result;
  // The interval is narrowest where τ² is so many times V (Howard, Ramdas, McAuliffe, Sekhon 2021,
  // section 3.5: the root of w − ln w = 1 + 2 ln 1/α less one, here by its usual approximation).
  const double log_alpha = std::log(1 / alpha);
  const double ratio = 2 * log_alpha + std::log(1 + 2 * log_alpha);
  const double mixture =
      ratio * (first.variance() + second.variance()) / static_cast<double>(planned);
  const double both = variance + mixture;
  const double width =
      std::sqrt(variance * both / mixture * (2 * log_alpha + std::log(both / variance)));
  result.low = result.difference - width;
  result.high = result.difference + width;
  const double log_ratio =
      0.5 * std::log(variance / both) +
      mixture * result.difference * result.difference / (2 * variance * both);
  result.p_value = std::min(1.0, std::exp(-log_ratio));
  return result;
}

OutcomeComparison::OutcomeComparison(std::vector<int64_t> numbers, const ExperimentPlan& plan)
    : numbers_(std::move(numbers)),
      plan_(plan),
      next_point_(kMinOutcomes * static_cast<int64_t>(numbers_.size())) {
  for (const int64_t number : numbers_) moments_[number];
}

void OutcomeComparison::Add(int64_t number, double value) {
  const auto found = moments_.find(number);
  if (found == moments_.end()) return;
  found->second.Add(value);
  if (++added_ < next_point_) return;
  next_point_ = std::max(added_ + 1, static_cast<int64_t>(static_cast<double>(added_) *
                                                          kPointGrowth));
  points_.push_back({added_, Compare()});
}

const Moments& OutcomeComparison::of(int64_t number) const { return moments_.at(number); }

std::vector<SequentialDifference> OutcomeComparison::Compare() const {
  std::vector<SequentialDifference> differences;
  const double alpha = plan_.alpha / static_cast<double>(std::max<size_t>(numbers_.size() - 1, 1));
  for (size_t i = 1; i < numbers_.size(); ++i) {
    differences.push_back(
        CompareMeans(of(numbers_[0]), of(numbers_[i]), alpha, plan_.planned_outcomes));
  }
  return differences;
}

json::array OutcomeComparison::ToJson() const {
  const std::vector<SequentialDifference> now = Compare();
  json::array list;
  for (size_t i = 0; i < now.size(); ++i) {
    const bool lower_is_better = plan_.better == "lower";
    const char* verdict = now[i].low > 0    ? (lower_is_better ? "worse" : "better")
                          : now[i].high < 0 ? (lower_is_better ? "better" : "worse")
                                            : "open";
    json::array series;
    for (const Point& point : points_) {
      const SequentialDifference& then = point.differences[i];
      if (!std::isfinite(then.low)) continue;
      series.push_back(json::object{{"outcomes", point.outcomes},
                                    {"difference", then.difference},
                                    {"low", then.low},
                                    {"high", then.high}});
    }
    list.push_back(json::object{{"number", numbers_[i + 1]},
                                {"difference", now[i].difference},
                                {"low", OrNull(now[i].low)},
                                {"high", OrNull(now[i].high)},
                                {"p_value", now[i].p_value},
                                {"verdict", verdict},
                                {"series", std::move(series)}});
  }
  return list;
}

}  // namespace tercet
