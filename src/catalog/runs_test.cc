#include "catalog/runs.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/id.h"

namespace tercet {
namespace {

using LoggedRun = struct Run;  // a test has a method of that name

class RunsTest : public ::testing::Test {
 protected:
  void TearDown() override {
    catalog_.reset();
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + end);
  }

  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("tercet-test-" + NewUuid())).string();
  ManualClock clock_{1'000'000};
  std::unique_ptr<Catalog> catalog_ = Catalog::Open(path_, &clock_).ValueOrDie();
  Runs runs_{catalog_.get(), &clock_};
};

TEST_F(RunsTest, ALogIsCutToItsEndAndIsText) {
  const std::string id = runs_.Start({.name = "train"})->id;
  std::string log;
  while (log.size() < Runs::kLogBytes) log += "é";
  ASSERT_TRUE(runs_.Log(id, {.log = log + "x"}).ok());
  ASSERT_TRUE(runs_.Log(id, {.status = "failed", .error = "no \xC3", .log = "\xFF."}).ok());
  const LoggedRun run = runs_.Get(id).ValueOrDie();
  EXPECT_EQ(run.status, "failed");
  EXPECT_EQ(run.error, "no \uFFFD");
  EXPECT_TRUE(run.log.ends_with("éx\uFFFD.")) << run.log.substr(run.log.size() - 16);
  EXPECT_LE(run.log.size(), Runs::kLogBytes + 16);
}

TEST_F(RunsTest, AnEndMayBeToldTwice) {
  const std::string id = runs_.Start({.name = "train"})->id;
  const LoggedRun end{.status = "failed", .error = "no disk"};
  ASSERT_TRUE(runs_.Log(id, end).ok());
  clock_.Advance(5);
  EXPECT_EQ(runs_.Log(id, end)->ended_us, 1'000'000);
  EXPECT_TRUE(runs_.Log(id, {.status = "finished"}).status().IsInvalid());
  EXPECT_TRUE(
      runs_.Log(id, {.status = "failed", .error = "no disk", .log = "more"}).status().IsInvalid());
}

}  // namespace
}  // namespace tercet
