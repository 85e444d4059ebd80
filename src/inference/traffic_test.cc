// What a deployment's traffic is split into, counted and held to.

#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "inference/test_inference.h"

namespace tercet {
namespace {

using TrafficTest = InferenceTest;

TEST_F(TrafficTest, TrafficIsSplitByPercentAndByKey) {
  const Release one = inference_->MakeRelease(Register(kInputs, {{2, 0, 1, 1}})).ValueOrDie();
  const Release two = inference_->MakeRelease(Register(kInputs, {{2, 0, 2, 2}})).ValueOrDie();
  ASSERT_TRUE(registry_->Deploy("delay", one, "test").ok());
  const auto asked = [&](const std::string& carrier) {
    return inference_
        ->Predict("delay", Entities("[[\"JFK\", \"" + carrier + "\", 300]]"), 16 * kHour)
        .ValueOrDie();
  };
  ASSERT_TRUE(registry_->SetTraffic("delay", {{two, {.percent = 25}}}, "", "test").ok());
  int second = 0;
  for (int i = 0; i < 1000; ++i) {
    const Prediction prediction = asked("AA");
    // An answer and its release are of one arm.
    EXPECT_EQ(OutputOf(prediction), static_cast<double>(prediction.release_number));
    second += prediction.release_number == 2;
  }
  EXPECT_NEAR(second, 250, 5);
  second = 0;
  for (int i = 0; i < 1000; ++i) {
    const RowPrediction row = InPlace(R"([["JFK", "AA", 300]])");
    EXPECT_EQ(row.outputs[0].As<double>(), static_cast<double>(row.release_number));
    second += row.release_number == 2;
  }
  EXPECT_NEAR(second, 250, 5) << "in place";

  ASSERT_TRUE(registry_->SetTraffic("delay", {{two, {.percent = 50}}}, "carrier", "test").ok());
  std::set<int64_t> numbers;
  for (int carrier = 0; carrier < 40; ++carrier) {
    const std::string name = "C" + std::to_string(carrier);
    const int64_t number = asked(name).release_number;
    numbers.insert(number);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(asked(name).release_number, number);
    EXPECT_EQ(InPlace("[[\"JFK\", \"" + name + "\", 300]]").release_number, number);
  }
  EXPECT_EQ(numbers.size(), 2);

  // A switch ends the split.
  ASSERT_TRUE(registry_->Upgrade("delay", two, "test").ok());
  EXPECT_TRUE(registry_->GetDeployment("delay")->traffic.arms.empty());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(asked("AA").release_number, 2);
}

TEST_F(TrafficTest, AShadowIsComparedAndNeverAnswers) {
  const Release one = inference_->MakeRelease(Register(kInputs, {{2, 0, 1, 1}})).ValueOrDie();
  const Release two = inference_->MakeRelease(Register(kInputs, {{2, 0, 2, 2}})).ValueOrDie();
  ASSERT_TRUE(registry_->Deploy("delay", one, "test").ok());
  ASSERT_TRUE(
      registry_->SetTraffic("delay", {{two, {.percent = 100, .shadow = true}}}, "", "test").ok());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(OutputOf(inference_->Predict("delay", Entities(R"([["JFK", "AA", 300]])"), 16 * kHour)
                           .ValueOrDie()),
              1);
    EXPECT_EQ(InPlace(R"([["JFK", "AA", 300]])").outputs[0].As<double>(), 1);
  }
  int64_t compared = 0, different = 0;
  while (compared < 20) {
    const auto statistics = inference_->Statistics("delay").ValueOrDie();
    for (const auto& release : statistics.releases) {
      if (release.number != 2) continue;
      compared = release.shadow_requests;
      different = release.shadow_different;
      EXPECT_EQ(release.successes, 0);
    }
    std::this_thread::yield();
  }
  EXPECT_EQ(different, 20);
}

TEST_F(TrafficTest, StatisticsCountAnswersAndFailuresByRelease) {
  Deploy(RegisterUsual());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        inference_
            ->Predict("delay", Entities(R"([["JFK", "AA", 1], ["EWR", "B6", 2]])"), 16 * kHour)
            .ok());
  }
  const auto wrong = BatchOf({arrow::field("origin", arrow::utf8())}, R"([["JFK"]])");
  EXPECT_FALSE(inference_->Predict("delay", wrong, 16 * kHour).ok());
  const ServingStatistics statistics = inference_->Statistics("delay").ValueOrDie();
  ASSERT_EQ(statistics.releases.size(), 1);
  const ReleaseStatistics& release = statistics.releases[0];
  EXPECT_EQ(release.number, 1);
  EXPECT_EQ(release.successes, 3);
  EXPECT_EQ(release.rows, 6);
  EXPECT_EQ(release.failures.at("OTHER"), 1);
  EXPECT_EQ(release.batches.at(2)[0], 3);
  EXPECT_EQ(release.total.count, 3);
  int64_t stages_ns = 0;
  for (const LatencyHistogram& stage : release.stages) stages_ns += stage.sum_ns;
  EXPECT_LE(stages_ns, release.total.sum_ns);
  const auto read = ServingStatistics::FromJson(statistics.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ToJson(), statistics.ToJson());
}

TEST_F(TrafficTest, APolicyRefusesAnswersThatComeTooLate) {
  Deploy(RegisterUsual());
  ASSERT_TRUE(registry_->SetPolicy("delay", {.deadline_ms = 60'000, .concurrency = 1}).ok());
  const auto entities = Entities(R"([["JFK", "AA", 300]])");
  EXPECT_TRUE(inference_->Predict("delay", entities, 16 * kHour).ok());
  // The policy is a part of the deployment and survives switches.
  Deploy(Register(kInputs, {{2, 0, 7, 8}}));
  EXPECT_EQ(registry_->GetDeployment("delay")->policy.concurrency, 1);
}

}  // namespace
}  // namespace tercet
