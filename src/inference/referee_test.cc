#include "inference/referee.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/parallel.h"
#include "inference/request_id.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;

std::vector<std::string> Actions(const Deployment& deployment) {
  std::vector<std::string> actions;
  for (const Deployment::Switch& item : deployment.history) actions.push_back(item.action);
  return actions;
}

/// Two referees with a catalog connection each stand for two processes.
class RefereeTest : public ::testing::Test {
 protected:
  struct Process {
    std::unique_ptr<Catalog> catalog;
    std::unique_ptr<Registry> registry;
    std::unique_ptr<Referee> referee;
  };

  void SetUp() override {
    InitializeArrow();
    root_ = std::filesystem::temp_directory_path() / ("tercet-referee-" + NewUuid());
    std::filesystem::create_directories(root_);
    here_ = NewProcess();
    there_ = NewProcess();
    const Deployment deployment =
        here_.registry->Deploy("fraud", ReleaseOf(1), "anna").ValueOrDie();
    ASSERT_EQ(deployment.number(), 1);
  }
  void TearDown() override {
    here_ = {};
    there_ = {};
    std::filesystem::remove_all(root_);
  }

  Process NewProcess() {
    Process process;
    process.catalog = Catalog::Open((root_ / "catalog.sqlite").string(), &clock_).ValueOrDie();
    process.registry = std::make_unique<Registry>(process.catalog.get(), LocalFileSystem(),
                                                  root_.string(), &clock_);
    process.referee = std::make_unique<Referee>(process.registry.get(), LocalFileSystem(),
                                                (root_ / "trials").string(), &clock_);
    return process;
  }

  Release ReleaseOf(int64_t version) {
    while (static_cast<int64_t>(here_.registry->ListModels("fraud").ValueOrDie().size()) <
           version) {
      ModelDefinition model{.name = "fraud", .format = ModelFormat::kXgboost};
      const auto columns = arrow::schema({arrow::field("x", arrow::float64())});
      model.signature = {columns, columns};
      EXPECT_TRUE(here_.registry
                      ->RegisterModel(model, {{"model.json", "{" + NewUuid() + "}"}})
                      .ok());
    }
    const ModelDefinition model = here_.registry->GetModel({"fraud", version}).ValueOrDie();
    Release release;
    release.model = model.ref();
    release.model_files = model.files;
    release.signature = model.signature;
    return release;
  }

  Deployment Start(const CanaryPlan& plan) {
    return here_.registry->StartCanary("fraud", ReleaseOf(2), plan, "anna").ValueOrDie();
  }
  Deployment Now() { return here_.registry->GetDeployment("fraud").ValueOrDie(); }
  /// So many requests of both arms are answered by a process.
  void Answer(const Process& process, int64_t requests, int64_t failed = 0) {
    const Deployment deployment = Now();
    const auto book = process.referee->BookOf(deployment);
    ASSERT_NE(book, nullptr);
    for (int64_t i = 0; i < requests; ++i) {
      book->Answered(deployment.canary->served, 1'000'000);
      if (i < failed) {
        book->Failed(deployment.canary->number);
      } else {
        book->Answered(deployment.canary->number, 1'000'000);
      }
    }
  }
  static void Look(const Process& process) {
    const Status looked = process.referee->Look();
    EXPECT_TRUE(looked.ok()) << looked;
  }

  std::filesystem::path root_;
  ManualClock clock_{1'700'000'000 * kSecond};
  Process here_, there_;
};

TEST_F(RefereeTest, CountsOfAllProcessesDecideTogether) {
  EXPECT_EQ(here_.referee->BookOf(Now()), nullptr);
  Start({.steps = {10, 50}, .dwell_ms = 1000, .min_requests = 100});
  EXPECT_EQ(Now().traffic.arms[0].percent, 10);
  Answer(here_, 60);
  Answer(there_, 60);
  Look(here_);
  Look(there_);
  EXPECT_EQ(Now().canary->step, 0);  // it has not lasted long enough
  EXPECT_THAT(here_.referee->LiveCanary("fraud").ValueOrDie().why, HasSubstr("1.0 s more"));
  clock_.Advance(kSecond);
  Look(there_);
  EXPECT_EQ(Now().canary->step, 1);
  EXPECT_EQ(Now().traffic.arms[0].percent, 50);
  // The other finds it done; the new step has requests of its own.
  Look(here_);
  EXPECT_EQ(Now().canary->step, 1);
  clock_.Advance(kSecond);
  Look(here_);
  EXPECT_THAT(there_.referee->LiveCanary("fraud").ValueOrDie().why, HasSubstr("0 of 100"));
  Answer(here_, 50);
  Answer(there_, 70);
  Look(there_);
  Look(here_);
  const Deployment promoted = Now();
  EXPECT_EQ(promoted.canary->state, "promoted");
  EXPECT_EQ(promoted.number(), 2);
  EXPECT_TRUE(promoted.traffic.arms.empty());
  EXPECT_THAT(Actions(promoted), testing::ElementsAre("deploy", "canary", "canary", "promote"));
  EXPECT_THAT(promoted.history.back().reason, HasSubstr("requests, 0 percent failed"));
  EXPECT_EQ(promoted.canary->arms[1].requests, 120);
  EXPECT_EQ(here_.registry->Rollback("fraud", "anna").ValueOrDie().number(), 1);
}

TEST_F(RefereeTest, WhoKnowsAnEarlierStepLosesNoCounts) {
  const Deployment stale = Start({.steps = {10, 50}, .dwell_ms = 1000, .min_requests = 100});
  Answer(here_, 200);
  clock_.Advance(kSecond);
  Look(here_);
  ASSERT_EQ(Now().canary->step, 1);
  const auto book = here_.referee->BookOf(Now());
  EXPECT_EQ(here_.referee->BookOf(stale), book);
  EXPECT_EQ(here_.referee->BookOf(Now()), book);
}

TEST_F(RefereeTest, AProcessThatEndsLeavesItsCounts) {
  Start({.steps = {50}, .dwell_ms = 0, .min_requests = 100});
  Answer(there_, 80);
  there_.referee.reset();  // as kill -9 would, but for the last half second
  there_ = NewProcess();
  Answer(there_, 30);
  Look(there_);
  EXPECT_EQ(Now().canary->state, "promoted");
}

TEST_F(RefereeTest, FailuresEndItAtOnceAndRollbacksPassItOver) {
  ASSERT_TRUE(here_.registry->Upgrade("fraud", ReleaseOf(3), "anna").ok());
  Start({.steps = {50}, .dwell_ms = 3'600'000, .min_requests = 100});
  Answer(here_, 20, /*failed=*/5);
  Look(here_);
  EXPECT_EQ(Now().canary->state, "rolled_back");
  EXPECT_THAT(Now().canary->why, HasSubstr("5 of its 20 requests failed"));
  EXPECT_EQ(Now().number(), 2);
  EXPECT_TRUE(Now().traffic.arms.empty());
  EXPECT_EQ(here_.registry->Rollback("fraud", "anna").ValueOrDie().number(), 1);
}

TEST_F(RefereeTest, AtAHundredPercentItIsComparedWithTheStepBefore) {
  Start({.steps = {50, 100}, .dwell_ms = 0, .min_requests = 100});
  Answer(here_, 150);
  Look(here_);
  ASSERT_EQ(Now().canary->step, 1);
  const auto book = here_.referee->BookOf(Now());
  for (int i = 0; i < 150; ++i) book->Answered(2, 50'000'000);
  Look(here_);
  EXPECT_EQ(Now().canary->state, "rolled_back");
  EXPECT_THAT(Now().canary->why, HasSubstr("times the served p99"));
}

TEST_F(RefereeTest, ManyWhoDecideAtOnceDecideOnce) {
  Start({.steps = {10, 20, 40, 80}, .dwell_ms = 0, .min_requests = 10});
  std::vector<Process> processes;
  for (int i = 0; i < 4; ++i) processes.push_back(NewProcess());
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (const Process& process : processes) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto deployment = process.registry->GetDeployment("fraud").ValueOrDie();
        if (const auto book = process.referee->BookOf(deployment)) {
          book->Answered(1, 1'000'000);
          book->Answered(2, 1'000'000);
        }
        Look(process);
      }
    });
  }
  for (int tries = 0; tries < 3000 && Now().canary->running(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(Actions(Now()), testing::ElementsAre("deploy", "canary", "canary", "canary",
                                                   "canary", "promote"));
}

TEST_F(RefereeTest, OutcomesFindTheirArmByTheRequestId) {
  const Status none = here_.referee->Record("fraud", {{"x", 1, 1}}).status();
  EXPECT_TRUE(none.IsInvalid()) << none;
  const std::string before = RequestId::Make("fraud", 1, clock_.NowMicros() - kSecond);
  const Deployment started =
      here_.registry
          ->StartExperiment("fraud", {{ReleaseOf(2), TrafficArm{.percent = 50}}}, "", {}, "anna")
          .ValueOrDie();
  EXPECT_THAT(started.experiment->numbers, testing::ElementsAre(1, 2));
  const auto id = [&](int64_t number) {
    return RequestId::Make("fraud", number, clock_.NowMicros());
  };
  const std::string twice = id(2);
  const auto recorded = there_.referee->Record(
      "fraud", {{before, 9}, {id(1), 1}, {twice, 3}, {twice, 4}, {"own", 5, 2}, {id(7), 8}});
  EXPECT_EQ(recorded.ValueOrDie(), 3);
  EXPECT_TRUE(there_.referee->Record("fraud", {{"own too", 5}}).status().IsInvalid());
  const json::object report = here_.referee->ReportExperiment("fraud").ValueOrDie();
  const json::array& arms = report.at("arms").as_array();
  EXPECT_EQ(arms[0].at("outcomes").as_int64(), 1);
  EXPECT_EQ(arms[1].at("outcomes").as_int64(), 2);
  EXPECT_EQ(arms[1].at("outcome_mean").to_number<double>(), 4);
  ASSERT_TRUE(here_.registry->StopExperiment("fraud", "anna").ok());
  const json::object ended = there_.referee->ReportExperiment("fraud").ValueOrDie();
  EXPECT_EQ(ended.at("arms").as_array()[1].at("outcomes").as_int64(), 2);
  ASSERT_TRUE(here_.referee->Forget("fraud").ok());
  EXPECT_FALSE(std::filesystem::exists(root_ / "trials" / "fraud"));
}

}  // namespace
}  // namespace tercet
