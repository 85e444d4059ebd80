#include "bucket/s3_settings.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bucket/http_connection.h"
#include "bucket/test_aws_home.h"

namespace tercet {
namespace {

using testing::HasSubstr;

class S3SettingsTest : public AwsHomeTest {
 protected:
  Result<S3Settings> From(const std::map<std::string, std::string>& options = {}) {
    return S3Settings::From(options, Variables());
  }
};

TEST_F(S3SettingsTest, OptionsBeforeEnvironmentBeforeProfile) {
  Write(".aws/credentials",
        "# mine\n[default]\r\naws_access_key_id = profile-key\r\n"
        "aws_secret_access_key=profile-secret\n"
        "[other]\naws_access_key_id = other-key\n");
  Write(".aws/config",
        "[profile other]\nregion = eu-north-1\n"
        "aws_secret_access_key = other-secret\n"
        "[default]\nregion = eu-west-1\ns3 =\n  region = none\n"
        "endpoint_url = https://store.example\n");
  auto settings = From();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->region, "eu-west-1");
  EXPECT_EQ(settings->credentials->Get(0)->access_key_id, "profile-key");
  EXPECT_EQ(settings->credentials->Get(0)->secret_access_key, "profile-secret");
  EXPECT_EQ(settings->endpoint, "https://store.example");
  EXPECT_TRUE(settings->path_style);

  variables_["AWS_PROFILE"] = "other";
  settings = From();
  EXPECT_EQ(settings->region, "eu-north-1");
  EXPECT_EQ(settings->credentials->Get(0)->secret_access_key, "other-secret");
  EXPECT_EQ(settings->endpoint, "");
  EXPECT_FALSE(settings->path_style);

  variables_["AWS_REGION"] = "eu-south-1";
  variables_["AWS_ACCESS_KEY_ID"] = "environment-key";
  variables_["TERCET_S3_ENDPOINT"] = "http://127.0.0.1:9000/";
  variables_["TERCET_S3_CACHE_BYTES"] = "1000";
  settings = From({{"AWS_SECRET_ACCESS_KEY", "option-secret"},
                   {"path_style", "false"},
                   {"allow_http", "true"}});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->region, "eu-south-1");
  EXPECT_EQ(settings->credentials->Get(0)->access_key_id, "environment-key");
  EXPECT_EQ(settings->credentials->Get(0)->secret_access_key, "option-secret");
  EXPECT_EQ(settings->endpoint, "http://127.0.0.1:9000");
  EXPECT_FALSE(settings->path_style);
  EXPECT_EQ(settings->cache_bytes, 1000);
}

TEST_F(S3SettingsTest, WhatIsWrongIsSaid) {
  EXPECT_THAT(From().status().message(), HasSubstr("no credentials"));
  EXPECT_FALSE(From({{"skip_signature", "true"}})->credentials);
  for (const auto& [option, value, expected] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"endpont", "x", "did you mean 'endpoint'"},
           {"endpoint", "store:9000", "must be http://HOST"},
           {"endpoint", "http://store/path", "must be http://HOST"},
           {"path_style", "maybe", "\"true\" or \"false\""},
           {"cache_bytes", "-1", "number of bytes"}}) {
    const auto settings = From({{"skip_signature", "true"}, {option, value}});
    EXPECT_TRUE(settings.status().IsInvalid()) << option;
    EXPECT_THAT(settings.status().message(), HasSubstr(expected));
  }
}

TEST(BucketLocation, Parse) {
  EXPECT_EQ(BucketLocation::Parse("s3://lake")->ToText(), "s3://lake");
  EXPECT_EQ(BucketLocation::Parse("s3://lake/")->ToText(), "s3://lake");
  const auto location = BucketLocation::Parse("s3://lake.of-9/team a/p/");
  ASSERT_TRUE(location.ok()) << location.status();
  EXPECT_EQ(location->bucket, "lake.of-9");
  EXPECT_EQ(location->prefix, "team a/p");
  for (const char* bad : {"s3:/lake", "s3://", "s3://ab", "s3://Lake/x", "s3://lake//x",
                          "s3://lake/a/../b", "s3://lake/./x", "s3://lake/a\nb", "lake"}) {
    EXPECT_TRUE(BucketLocation::Parse(bad).status().IsInvalid()) << bad;
  }
}

TEST(HttpAddress, Parse) {
  EXPECT_EQ(HttpAddress::Parse("http://127.0.0.1:9000")->host_header(), "127.0.0.1:9000");
  EXPECT_EQ(HttpAddress::Parse("https://store.example")->port, "443");
  EXPECT_EQ(HttpAddress::Parse("https://store.example:443")->host_header(), "store.example");
  EXPECT_EQ(HttpAddress::Parse("http://[::1]:9000")->host, "::1");
  EXPECT_EQ(HttpAddress::Parse("http://[::1]:9000")->host_header(), "[::1]:9000");
  EXPECT_EQ(HttpAddress::Parse("http://[::1]")->port, "80");
  for (const char* bad : {"store", "ftp://store", "http://", "http://:80",
                          "http://store:", "http://store:x", "http://store:123456"}) {
    EXPECT_TRUE(HttpAddress::Parse(bad).status().IsInvalid()) << bad;
  }
}

}  // namespace
}  // namespace tercet
