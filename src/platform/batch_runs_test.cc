#include "platform/batch_runs.h"

#include <filesystem>
#include <fstream>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/overload.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

class BatchRunsTest : public ::testing::Test {
 protected:
  void SetUp() override { platform_ = Platform::Open(root_, {}).ValueOrDie(); }
  void TearDown() override {
    platform_.reset();
    std::filesystem::remove_all(root_);
  }

  static tercet::Run Named(const std::string& name) {
    tercet::Run run;
    run.name = name;
    return run;
  }
  tercet::Run Get(const std::string& id) { return platform_->GetRun(id).ValueOrDie(); }

  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-batch-runs-" + NewUuid())).string();
  const std::string folder_ = root_ + "/batch_runs";
  std::shared_ptr<Platform> platform_;
};

TEST_F(BatchRunsTest, MoreThanMayWaitAreRefusedAndNoneIsLost) {
  BatchRuns runs(platform_.get(), folder_);
  std::promise<void> begun, gate, last;
  std::shared_future<void> opened = gate.get_future().share();
  std::vector<std::string> ids;
  const auto start = [&](BatchRuns::Job job) {
    const auto started = runs.Start(Named("batch"), std::move(job));
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    ids.push_back(started->id);
  };
  start([&](const Progress&) -> Result<Commit> {
    begun.set_value();
    opened.wait();
    return Commit{.version = 1};
  });
  begun.get_future().wait();
  for (size_t i = 1; i < BatchRuns::kMostWaiting; ++i) {
    start([](const Progress&) -> Result<Commit> { return Status::IOError("the disk is full"); });
  }
  start([&](const Progress&) -> Result<Commit> {
    last.set_value();
    return Commit{.version = 2};
  });

  const Status refused =
      runs.Start(Named("batch"), [](const Progress&) { return Commit{}; }).status();
  EXPECT_EQ(RetryAfterSeconds(refused), 10) << refused.ToString();
  EXPECT_THAT(refused.message(), HasSubstr("16 batch predictions wait already"));
  EXPECT_EQ(platform_->ListRuns().ValueOrDie().size(), ids.size());  // It left no run behind.

  gate.set_value();
  last.get_future().wait();
  runs.End();
  EXPECT_EQ(Get(ids.front()).status, "finished");
  EXPECT_EQ(Get(ids.back()).status, "finished");
  EXPECT_EQ(Get(ids[1]).status, "failed");
  EXPECT_EQ(Get(ids[1]).error, "the disk is full");
}

TEST_F(BatchRunsTest, RunsOfDeadProcessesFailAndThoseOfOthersGoOn) {
  BatchRuns live(platform_.get(), folder_);
  std::promise<void> gate;
  std::shared_future<void> opened = gate.get_future().share();
  const auto started = live.Start(Named("batch"), [&](const Progress&) -> Result<Commit> {
    opened.wait();
    return Commit{.version = 1};
  });
  ASSERT_TRUE(started.ok()) << started.status().ToString();
  // As a process leaves it that is killed: a file that nobody has locked.
  std::ofstream(folder_ + "/gone");
  tercet::Run left = Named("batch");
  left.parameters["process"] = "gone";
  const tercet::Run abandoned = platform_->StartRun(left).ValueOrDie();
  const tercet::Run another = platform_->StartRun(Named("training")).ValueOrDie();

  // The next who opens the project tells.
  ASSERT_TRUE(Platform::Open(root_, {}).ok());
  const tercet::Run failed = Get(abandoned.id);
  EXPECT_EQ(failed.status, "failed");
  EXPECT_TRUE(failed.ended_us.has_value());
  EXPECT_THAT(failed.error, HasSubstr("killed or crashed"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/gone"));
  EXPECT_EQ(Get(another.id).status, "running");
  EXPECT_EQ(Get(started->id).status, "running");

  gate.set_value();
  live.End();
  EXPECT_NE(Get(started->id).error, failed.error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace tercet
