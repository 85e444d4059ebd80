#include "bucket/credential_chain.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/time_text.h"
#include "bucket/scripted_server.h"
#include "bucket/test_aws_home.h"

namespace tercet {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kMinute = 60'000'000;

std::string StsAnswer(const std::string& action, const std::string& key) {
  return Answer("200 OK", "<" + action + "Response><" + action + "Result><Credentials>" +
                              "<AccessKeyId>" + key + "</AccessKeyId>" +
                              "<SecretAccessKey>secret</SecretAccessKey>" +
                              "<SessionToken>token</SessionToken>" +
                              "<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></" +
                              action + "Result></" + action + "Response>");
}

std::string JsonAnswer(const std::string& key) {
  return Answer("200 OK", R"({"Code": "Success", "AccessKeyId": ")" + key +
                              R"(", "SecretAccessKey": "secret", "Token": "token",)"
                              R"( "Expiration": "2999-01-01T00:00:00Z"})");
}

class CredentialChainTest : public AwsHomeTest {
 protected:
  Result<S3Credentials> Find(AwsSettings::Section options = {}) {
    ARROW_ASSIGN_OR_RAISE(const auto settings, AwsSettings::Read(std::move(options), Variables()));
    ARROW_ASSIGN_OR_RAISE(source_, FindCredentials(settings, "eu-west-1", ""));
    return source_->Get(0);
  }

  std::shared_ptr<CredentialsSource> source_;
};

TEST_F(CredentialChainTest, KeysComeWithTheirOwnToken) {
  variables_["AWS_ACCESS_KEY_ID"] = "theirs";
  variables_["AWS_SECRET_ACCESS_KEY"] = "secret";
  variables_["AWS_SESSION_TOKEN"] = "token";
  EXPECT_EQ(Find()->session_token, "token");
  EXPECT_EQ(Find({{"access_key_id", "ours"}})->session_token, "");
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  EXPECT_THAT(Find().status().message(), HasSubstr("and no AWS_SECRET_ACCESS_KEY"));
}

TEST_F(CredentialChainTest, WebIdentity) {
  ScriptedServer service({StsAnswer("AssumeRoleWithWebIdentity", "role-key"),
                          Answer("403 Forbidden", "<Error>no such role</Error>")});
  variables_["AWS_ENDPOINT_URL_STS"] = service.endpoint() + "/";
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/r";
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = Write("token", "a token=\n");
  const auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, (S3Credentials{"role-key", "secret", "token",
                                   ParseTime("2999-01-01T00:00:00Z").ValueOrDie()}));
  EXPECT_THAT(service.requests().at(0),
              AllOf(StartsWith("POST / HTTP/1.1\r\n"),
                    HasSubstr("Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A"
                              "role%2Fr&RoleSessionName=tercet&Version=2011-06-15&"
                              "WebIdentityToken=a%20token%3D")));
  EXPECT_THAT(Find().status().message(),
              AllOf(HasSubstr("cannot take the role 'arn:aws:iam::1:role/r'"),
                    HasSubstr("answers 403: <Error>no such role")));
}

TEST_F(CredentialChainTest, RolesOfProfiles) {
  Write(".aws/config",
        "[default]\nrole_arn = arn:of:role\nsource_profile = base\n"
        "external_id = x\nrole_session_name = nightly\n"
        "[profile base]\naws_access_key_id = base-key\n"
        "aws_secret_access_key = base-secret\n"
        "[profile circle]\nrole_arn = a\nsource_profile = back\n"
        "[profile back]\nrole_arn = b\nsource_profile = circle\n"
        "[profile typed]\nrole_arn = a\nmfa_serial = 1\nsource_profile = base\n"
        "[profile alone]\nrole_arn = a\n");
  ScriptedServer service({StsAnswer("AssumeRole", "role-key")});
  variables_["AWS_ENDPOINT_URL"] = service.endpoint();
  const auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->access_key_id, "role-key");
  EXPECT_THAT(service.requests().at(0),
              AllOf(HasSubstr("authorization: AWS4-HMAC-SHA256 Credential=base-key/"),
                    HasSubstr("/eu-west-1/sts/aws4_request, SignedHeaders=content-type;host;"),
                    HasSubstr("ExternalId=x&RoleArn=arn%3Aof%3Arole&RoleSessionName=nightly&")));
  for (const auto& [profile, message] : std::map<std::string, std::string>{
           {"circle", "too many others"}, {"typed", "second factor"}, {"alone", "not by whom"}}) {
    EXPECT_THAT(Find({{"profile", profile}}).status().message(), HasSubstr(message));
  }
}

TEST_F(CredentialChainTest, KeysOfAProfileAreReadAgainWhenTheyExpire) {
  const auto write = [&](const std::string& key) {
    Write(".aws/credentials", "[default]\naws_access_key_id = " + key +
                                  "\naws_secret_access_key = s\naws_session_token = t\n");
  };
  write("monday");
  const S3Credentials first = *Find();
  EXPECT_EQ(first.access_key_id, "monday");
  write("tuesday");
  EXPECT_EQ(source_->Get(0)->access_key_id, "monday");
  EXPECT_TRUE(source_->Renew(first));
  EXPECT_EQ(source_->Get(0)->access_key_id, "tuesday");
}

TEST_F(CredentialChainTest, Programs) {
  Write(".aws/config",
        "[default]\ncredential_process = echo '{\"Version\": 1, \"AccessKeyId\": "
        "\"printed\", \"SecretAccessKey\": \"s\", \"SessionToken\": \"t\"}'\n"
        "[profile failing]\ncredential_process = false\n"
        "[profile silent]\ncredential_process = echo {}\n");
  EXPECT_EQ(Find()->access_key_id, "printed");
  EXPECT_EQ(Find()->session_token, "t");
  EXPECT_THAT(Find({{"profile", "failing"}}).status().message(), HasSubstr("'false' failed"));
  EXPECT_THAT(Find({{"profile", "silent"}}).status().message(),
              HasSubstr("the answer holds no credentials"));
}

TEST_F(CredentialChainTest, Containers) {
  ScriptedServer service({JsonAnswer("pod-key"), Answer("200 OK", "not JSON")});
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = service.endpoint() + "/v1/credentials?a=b";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = Write("token", "pod token");
  const auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->access_key_id, "pod-key");
  EXPECT_THAT(service.requests().at(0), AllOf(StartsWith("GET /v1/credentials?a=b HTTP/1.1\r\n"),
                                              HasSubstr("\r\nauthorization: pod token\r\n")));
  EXPECT_FALSE(Find().ok());
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://elsewhere.example/credentials";
  EXPECT_THAT(Find().status().message(), HasSubstr("must be an https address"));
}

TEST_F(CredentialChainTest, Instances) {
  ScriptedServer service({Answer("200 OK", "session"), Answer("200 OK", "the-role"),
                          JsonAnswer("instance-key"), Answer("404 Not Found", "")});
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = service.endpoint();
  EXPECT_THAT(Find().status().message(), HasSubstr("no credentials for the object store"));
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  EXPECT_EQ(Find()->access_key_id, "instance-key");
  const auto requests = service.requests();
  EXPECT_THAT(requests.at(0), StartsWith("PUT /latest/api/token HTTP/1.1\r\n"));
  EXPECT_THAT(requests.at(2),
              AllOf(StartsWith("GET /latest/meta-data/iam/security-credentials/the-role "),
                    HasSubstr("\r\nx-aws-ec2-metadata-token: session\r\n")));
  EXPECT_THAT(Find().status().message(),
              AllOf(HasSubstr("no credentials"), HasSubstr("metadata service at"),
                    HasSubstr("answers 404")));
}

TEST(TemporaryCredentials, AreRenewedBeforeTheyExpire) {
  int fetched = 0;
  bool reachable = true;
  TemporaryCredentials source([&]() -> Result<S3Credentials> {
    if (!reachable) return Status::IOError("nobody there");
    ++fetched;
    return S3Credentials{std::to_string(fetched), "s", "t", fetched * 60 * kMinute};
  });
  EXPECT_EQ(source.Get(0)->access_key_id, "1");
  EXPECT_EQ(source.Get(54 * kMinute)->access_key_id, "1");
  EXPECT_EQ(source.Get(56 * kMinute)->access_key_id, "2");
  reachable = false;
  EXPECT_EQ(source.Get(118 * kMinute)->access_key_id, "2");  // as long as they last
  EXPECT_THAT(source.Get(121 * kMinute).status().message(), HasSubstr("nobody there"));
  reachable = true;
  EXPECT_EQ(source.Get(121 * kMinute)->access_key_id, "3");
}

}  // namespace
}  // namespace tercet
