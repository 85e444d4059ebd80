#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "inference/arm_counts.h"
#include "inference/canary.h"
#include "inference/experiment.h"
#include "inference/outcome_log.h"
#include "inference/request_id.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMs = 1'000'000;  // in nanoseconds

TEST(RequestId, TellsItsTimeAndRelease) {
  const std::string id = RequestId::Make("fraud", 7, 1'700'000'000'123'456);
  ASSERT_EQ(id.size(), 36);
  EXPECT_EQ(id[14], '8');
  const auto read = RequestId::Read("fraud", id);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->number, 7);
  EXPECT_EQ(read->time_ms, 1'700'000'000'123);
  EXPECT_EQ(RequestId::Read("fraud", id + "/12")->number, 7);
  EXPECT_FALSE(RequestId::Read("fraud", id + "/"));
  EXPECT_FALSE(RequestId::Read("fraud", id + "/1a"));
  EXPECT_FALSE(RequestId::Read("churn", id));
  EXPECT_FALSE(RequestId::Read("fraud", NewUuid()));
  EXPECT_FALSE(RequestId::Read("fraud", "42"));
  EXPECT_NE(id, RequestId::Make("fraud", 7, 1'700'000'000'123'456));
  EXPECT_EQ(RequestId::Read("fraud", RequestId::Make("fraud", (1 << 20) - 1, 0))->number,
            (1 << 20) - 1);
  EXPECT_EQ(RequestId::Read("fraud", RequestId::Make("fraud", 1 << 20, 0))->number, 0);
}

TEST(FineHistogram, QuantilesAreWithinABucket) {
  FineHistogram histogram;
  for (int64_t i = 1; i <= 10'000; ++i) histogram.Add(i * 1000);
  for (const double p : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const double exact = p * 10'000'000;
    EXPECT_GE(static_cast<double>(histogram.Quantile(p)), exact * 0.999) << p;
    EXPECT_LE(static_cast<double>(histogram.Quantile(p)), exact * 1.07) << p;
  }
  EXPECT_EQ(histogram.CountAbove(20'000'000), 0);
  EXPECT_NEAR(static_cast<double>(histogram.CountAbove(5'000'000)), 5000, 350);
  histogram.Add(INT64_MAX);
  histogram.Add(-5);
  histogram.Add(15);
  histogram.Add(16);
  const FineHistogram read = FineHistogram::FromJson(histogram.ToJson()).ValueOrDie();
  EXPECT_EQ(read.count(), 10'004);
  EXPECT_EQ(read.Quantile(0.5), histogram.Quantile(0.5));
  EXPECT_EQ(FineHistogram().Quantile(0.5), 0);
  EXPECT_TRUE(FineHistogram::FromJson({json::array{100'000, 1}}).status().IsInvalid());
}

TEST(ArmCounts, AddUpAndRoundTrip) {
  ArmBook book, other;
  book.Answered(1, 5 * kMs);
  book.Failed(2);
  other.Answered(2, 7 * kMs);
  TrialCounts sum = book.Read();
  Merge(other.Read(), &sum);
  const TrialCounts read = TrialCountsFromJson(ToJson(sum)).ValueOrDie();
  EXPECT_EQ(read.at(1).successes, 1);
  EXPECT_EQ(read.at(2).requests(), 2);
  EXPECT_EQ(read.at(2).latency.Quantile(1), sum.at(2).latency.Quantile(1));
  EXPECT_LT(ValueBucket(-1), ValueBucket(-0.5));
  EXPECT_LT(ValueBucket(-1e-9), ValueBucket(0));
  EXPECT_LT(ValueBucket(0), ValueBucket(1e-9));
  EXPECT_LT(ValueBucket(1), ValueBucket(1.2));
  EXPECT_LT(ValueBucket(1e300), ValueBucket(INFINITY));
  EXPECT_LT(ValueBucket(INFINITY), ValueBucket(NAN));
}

class CanaryTest : public ::testing::Test {
 protected:
  CanaryTest() {
    canary_.number = 2;
    canary_.served = 1;
    canary_.state = "running";
    canary_.plan.dwell_ms = 10'000;
  }
  static ArmCounts Arm(int64_t successes, int64_t failures, int64_t ns, uint64_t seed) {
    ArmCounts arm{.successes = successes, .failures = failures};
    std::mt19937_64 random(seed);
    std::normal_distribution<double> spread(0, 0.2), value(0.5, 0.1);
    for (int64_t i = 0; i < successes; ++i) {
      arm.latency.Add(static_cast<int64_t>(static_cast<double>(ns) * std::exp(spread(random))));
      ++arm.values[ValueBucket(value(random))];
    }
    return arm;
  }
  CanaryVerdict Judge(const ArmCounts& tried, const ArmCounts& served,
                      int64_t now_us = 11'000'000) {
    evidence_.step = {{1, served}, {2, tried}};
    evidence_.baseline = served;
    return JudgeCanary(canary_, evidence_, now_us);
  }
  Canary canary_;
  CanaryEvidence evidence_;
};

TEST_F(CanaryTest, GoesForwardWhenNothingSpeaksAgainstIt) {
  const CanaryVerdict verdict = Judge(Arm(500, 0, kMs, 1), Arm(9000, 3, kMs, 2));
  EXPECT_EQ(verdict.decision, CanaryVerdict::kForward) << verdict.why;
  EXPECT_THAT(verdict.why, HasSubstr("500 requests, 0 percent failed"));
}

TEST_F(CanaryTest, WaitsForTimeAndRequests) {
  EXPECT_EQ(Judge(Arm(500, 0, kMs, 1), Arm(9000, 0, kMs, 2), 9'000'000).decision,
            CanaryVerdict::kWait);
  const CanaryVerdict few = Judge(Arm(99, 0, kMs, 1), Arm(9000, 0, kMs, 2));
  EXPECT_EQ(few.decision, CanaryVerdict::kWait);
  EXPECT_THAT(few.why, HasSubstr("99 of 100 requests"));
}

TEST_F(CanaryTest, GoesBackAtOnceWhenTooManyFail) {
  const CanaryVerdict verdict = Judge(Arm(3, 2, kMs, 1), Arm(9000, 0, kMs, 2), 1);
  EXPECT_EQ(verdict.decision, CanaryVerdict::kBack);
  EXPECT_THAT(verdict.why, HasSubstr("2 of its 5 requests failed; 1 percent may"));
  // What the served release fails as well is no fault of the canary.
  EXPECT_EQ(Judge(Arm(900, 100, kMs, 1), Arm(9000, 1000, kMs, 2)).decision,
            CanaryVerdict::kForward);
}

TEST_F(CanaryTest, GoesBackWhenItIsSlower) {
  const CanaryVerdict verdict = Judge(Arm(500, 0, 3 * kMs, 1), Arm(9000, 0, kMs, 2));
  EXPECT_EQ(verdict.decision, CanaryVerdict::kBack);
  EXPECT_THAT(verdict.why, HasSubstr("1.5 times the served p99"));
  canary_.plan.max_latency_ratio = 0;
  EXPECT_EQ(Judge(Arm(500, 0, 3 * kMs, 1), Arm(9000, 0, kMs, 2)).decision,
            CanaryVerdict::kForward);
}

TEST_F(CanaryTest, LooksAreNotMistakenForSlowness) {
  // Equal arms, looked at after every fiftieth request: chance alone must not end them.
  canary_.plan.max_latency_ratio = 1.1;
  int gone_back = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const ArmCounts served = Arm(20'000, 0, kMs, 1000 + seed);
    for (int64_t n = 100; n <= 2000 && gone_back <= 40; n += 50) {
      const auto verdict = Judge(Arm(n, 0, kMs, seed), served);
      if (verdict.decision == CanaryVerdict::kBack) {
        ++gone_back;
        break;
      }
    }
  }
  EXPECT_LE(gone_back, 1);
}

TEST_F(CanaryTest, GoesBackWhenItsOutputsDrift) {
  canary_.plan.max_drift = 0.1;
  EXPECT_EQ(Judge(Arm(500, 0, kMs, 1), Arm(9000, 0, kMs, 2)).decision, CanaryVerdict::kForward);
  ArmCounts shifted = Arm(500, 0, kMs, 1);
  shifted.values.clear();
  for (int i = 0; i < 500; ++i) ++shifted.values[ValueBucket(0.7)];
  const CanaryVerdict verdict = Judge(shifted, Arm(9000, 0, kMs, 2));
  EXPECT_EQ(verdict.decision, CanaryVerdict::kBack);
  EXPECT_THAT(verdict.why, HasSubstr("spread differently"));
}

TEST_F(CanaryTest, GoesBackWhenItsOutcomesAreWorse) {
  canary_.plan.better = "higher";
  for (int i = 0; i < 1000; ++i) {
    evidence_.served_outcomes.Add(i % 2);
    evidence_.canary_outcomes.Add(i % 10 == 0);
  }
  const CanaryVerdict verdict = Judge(Arm(500, 0, kMs, 1), Arm(9000, 0, kMs, 2));
  EXPECT_EQ(verdict.decision, CanaryVerdict::kBack);
  EXPECT_THAT(verdict.why, HasSubstr("mean 0.1 against 0.5"));
  canary_.plan.better = "lower";
  EXPECT_EQ(Judge(Arm(500, 0, kMs, 1), Arm(9000, 0, kMs, 2)).decision, CanaryVerdict::kForward);
  evidence_.canary_outcomes = {};
  EXPECT_EQ(Judge(Arm(500, 0, kMs, 1), Arm(9000, 0, kMs, 2)).decision, CanaryVerdict::kWait);
}

TEST(Drift, OfEqualDistributionsIsExplainedByChance) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  int unexplained = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::map<int64_t, int64_t> before, after;
    for (int i = 0; i < 2000; ++i) ++before[ValueBucket(normal(random))];
    for (int i = 0; i < 200; ++i) ++after[ValueBucket(normal(random))];
    const Drift drift = DriftBetween(before, after);
    unexplained += drift.index > drift.chance;
  }
  EXPECT_LE(unexplained, 4);  // one in a thousand, about
}

/// The share of simulated experiments that ever tell a difference when looked at after every tenth
/// outcome of each arm.
template <typename Draw>
double EverTold(const Draw& draw, double effect, int experiments, int outcomes, uint64_t seed) {
  std::mt19937_64 random(seed);
  int told = 0;
  for (int i = 0; i < experiments; ++i) {
    Moments first, second;
    for (int n = 1; n <= outcomes; ++n) {
      first.Add(draw(random));
      second.Add(draw(random) + effect);
      if (n % 10 != 0) continue;
      const auto difference = CompareMeans(first, second, 0.05, 1000);
      if (difference.low > 0 || difference.high < 0) {
        ++told;
        break;
      }
    }
  }
  return static_cast<double>(told) / experiments;
}

TEST(Experiment, PeekingAllTheTimeIsFree) {
  // 0.05 plus three standard errors of 600 simulations would be 0.077; a t-test under the same
  // peeking tells a difference in about forty percent.
  const auto normal = [](auto& random) { return std::normal_distribution<double>(3, 2)(random); };
  const auto click = [](auto& random) {
    return std::bernoulli_distribution(0.1)(random) ? 1.0 : 0.0;
  };
  const auto profit = [](auto& random) { return std::exponential_distribution<double>(1)(random); };
  EXPECT_LE(EverTold(normal, 0, 600, 3000, 1), 0.05);
  EXPECT_LE(EverTold(click, 0, 600, 3000, 2), 0.05);
  EXPECT_LE(EverTold(profit, 0, 600, 3000, 3), 0.05);
}

TEST(Experiment, TellsARealDifference) {
  const auto normal = [](auto& random) { return std::normal_distribution<double>(0, 1)(random); };
  // A fixed test of 1000 a side has a power of 0.99 for a fifth of a deviation.
  EXPECT_GE(EverTold(normal, 0.2, 200, 1500, 4), 0.95);
}

TEST(Experiment, TheIntervalIsThatOfTheMixtureTest) {
  Moments first, second;
  std::mt19937_64 random(9);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 500; ++i) {
    first.Add(normal(random));
    second.Add(normal(random) + 0.1);
  }
  const auto told = CompareMeans(first, second, 0.05, 1000);
  EXPECT_NEAR((told.low + told.high) / 2, told.difference, 1e-12);
  // At the interval's end the p-value is alpha, by definition.
  Moments shifted = second;
  shifted.mean -= told.low;
  EXPECT_NEAR(CompareMeans(first, shifted, 0.05, 1000).p_value, 0.05, 1e-9);
  Moments few;
  few.Add(1);
  EXPECT_TRUE(std::isinf(CompareMeans(first, few, 0.05, 1000).high));
  EXPECT_EQ(CompareMeans(first, few, 0.05, 1000).p_value, 1);
}

TEST(Experiment, VerdictsFollowWhatIsBetter) {
  for (const char* better : {"higher", "lower"}) {
    OutcomeComparison comparison({1, 2, 3}, {.better = better});
    std::mt19937_64 random(3);
    std::normal_distribution<double> normal;
    for (int i = 0; i < 3000; ++i) {
      comparison.Add(1, normal(random));
      comparison.Add(2, normal(random) + 1);
      comparison.Add(3, normal(random));
      comparison.Add(4, 1e9);  // of a release that is not compared
    }
    const json::array report = comparison.ToJson();
    ASSERT_EQ(report.size(), 2);
    EXPECT_EQ(report[0].at("verdict").as_string(), *better == 'h' ? "better" : "worse");
    EXPECT_EQ(report[1].at("verdict").as_string(), "open");
    EXPECT_GT(report[0].at("series").as_array().size(), 10);
    EXPECT_EQ(comparison.of(2).count, 3000);
  }
}

TEST(OutcomeLog, TheFirstOutcomeOfARequestCountsForAllProcesses) {
  const auto path = std::filesystem::temp_directory_path() / ("outcomes-" + NewUuid());
  std::vector<double> here, there;
  OutcomeLog one(path, [&](int64_t, double value) { here.push_back(value); });
  OutcomeLog two(path, [&](int64_t, double value) { there.push_back(value); });
  EXPECT_EQ(one.Append({{"a", 1, 1}, {"b", 2, 2}, {"a", 3, 1}}).ValueOrDie(), 2);
  EXPECT_EQ(two.Append({{"a", 9, 1}, {"c", 4, 1}}).ValueOrDie(), 1);
  EXPECT_TRUE(one.Refresh().ok());
  EXPECT_THAT(here, testing::ElementsAre(1, 2, 4));
  EXPECT_EQ(there, here);
  // A writer that was cut off in the middle of a line.
  { std::ofstream(path, std::ios::app) << "{\"request_id\": \"d\", \"val"; }
  EXPECT_TRUE(one.Refresh().ok());
  EXPECT_EQ(two.Append({{"e", 5, 1}}).ValueOrDie(), 1);
  EXPECT_TRUE(one.Refresh().ok());
  EXPECT_THAT(here, testing::ElementsAre(1, 2, 4, 5));
  EXPECT_EQ(one.ignored(), 1);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace tercet
