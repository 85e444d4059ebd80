#pragma once

// For tests: a home directory with a ~/.aws of its own, and an environment.
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/id.h"
#include "bucket/aws_settings.h"

namespace tercet {

class AwsHomeTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(LocalFileSystem()->MakeDirectory(home_ + "/.aws").ok());
    variables_["HOME"] = home_;
    variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  /// Its path.
  std::string Write(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(LocalFileSystem()->Replace(home_ + "/" + name, text).ok());
    return home_ + "/" + name;
  }

  Environment Variables() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
  }

  const std::string home_ =
      (std::filesystem::temp_directory_path() / ("tercet-aws-" + NewUuid())).string();
  std::map<std::string, std::string> variables_;
};

}  // namespace tercet
