#include "platform/schedule_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using ::testing::HasSubstr;

TEST(ScheduleManifestTest, ADeploymentAsksForTheGpusOfItsPolicy) {
  Deployment deployment;
  deployment.name = "late";
  const auto model_of = [](const json::object& service) {
    return service.at("spec").at("predictor").at("model").as_object();
  };
  EXPECT_FALSE(model_of(DeploymentManifest(deployment).ValueOrDie()).contains("resources"));
  deployment.policy.gpus = 2;
  const json::object service = DeploymentManifest(deployment).ValueOrDie();
  EXPECT_EQ(service.at("metadata").at("name").as_string(), "late");
  EXPECT_EQ(model_of(service).at("resources").at("limits").at("nvidia.com/gpu").as_string(), "2");
  deployment.name = "late_rides";
  EXPECT_THAT(DeploymentManifest(deployment).status().message(), HasSubstr("small letters"));
}

TEST(ScheduleManifestTest, AStepIsAJobThatRunsItOnce) {
  const json::object job =
      StepManifest("train_late", {"train.py", "--rounds", "5"}, 1, {.image = "mine:1"})
          .ValueOrDie();
  EXPECT_EQ(job.at("metadata").at("name").as_string(), "train-late");
  const auto& pod = job.at("spec").at("template").at("spec").as_object();
  const auto& container = pod.at("containers").at(0).as_object();
  EXPECT_EQ(container.at("image").as_string(), "mine:1");
  EXPECT_EQ(ToText(container.at("command")),
            R"(["tercet","--project","/srv/project","run","--name","train_late",)"
            R"("train.py","--rounds","5"])");
  EXPECT_EQ(container.at("resources").at("limits").at("nvidia.com/gpu").as_string(), "1");
  EXPECT_FALSE(StepManifest("x", {"x"}, 0)
                   .ValueOrDie()
                   .at("spec")
                   .at("template")
                   .at("spec")
                   .at("containers")
                   .at(0)
                   .as_object()
                   .contains("resources"));
  EXPECT_TRUE(StepManifest("x", {}, 0).status().IsInvalid());
  EXPECT_TRUE(StepManifest("x", {"x"}, 65).status().IsInvalid());
  EXPECT_TRUE(StepManifest("über", {"x"}, 0).status().IsInvalid());
}

}  // namespace
}  // namespace tercet
