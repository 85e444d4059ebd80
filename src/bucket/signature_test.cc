#include "bucket/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"

namespace tercet {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

// The examples of "Authenticating Requests: Using the Authorization Header", Amazon S3 API
// Reference.
class S3ExamplesTest : public testing::Test {
 protected:
  std::string Sign(std::string_view method, std::string_view path, const TextPairs& query,
                   TextPairs headers, std::string_view payload = "") {
    const std::string hash = Sha256Hex(payload);
    headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
    headers.emplace_back("x-amz-content-sha256", hash);
    headers.emplace_back("x-amz-date", "20130524T000000Z");
    return SignatureV4({method, path, query, headers, hash}, credentials_, "us-east-1", "s3",
                       "20130524T000000Z");
  }

  const S3Credentials credentials_{"AKIAIOSFODNN7EXAMPLE",
                                   "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
};

TEST_F(S3ExamplesTest, Get) {
  EXPECT_EQ(Sign("GET", "/test.txt", {}, {{"range", "bytes=0-9"}}),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature="
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(S3ExamplesTest, Put) {
  EXPECT_THAT(Sign("PUT", "/test$file.text", {},
                   {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                    {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                   "Welcome to Amazon S3."),
              EndsWith("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST_F(S3ExamplesTest, QueryWithoutValue) {
  EXPECT_THAT(Sign("GET", "/", {{"lifecycle", ""}}, {}),
              EndsWith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST_F(S3ExamplesTest, ListInAnyOrder) {
  const char* const signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
  EXPECT_THAT(Sign("GET", "/", {{"max-keys", "2"}, {"prefix", "J"}}, {}), EndsWith(signature));
  EXPECT_THAT(Sign("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}), EndsWith(signature));
}

// Of the suite of test cases that AWS publishes for implementers of Signature Version 4.
class SuiteTest : public testing::Test {
 protected:
  std::string Sign(std::string_view path, const TextPairs& query, TextPairs headers = {}) {
    headers.emplace_back("host", "example.amazonaws.com");
    headers.emplace_back("x-amz-date", "20150830T123600Z");
    return SignatureV4({"GET", path, query, headers, Sha256Hex("")}, credentials_, "us-east-1",
                       "service", "20150830T123600Z");
  }

  const S3Credentials credentials_{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
};

TEST_F(SuiteTest, Vanilla) {
  EXPECT_EQ(Sign("/", {}),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature="
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST_F(SuiteTest, QueryOrderKeyCase) {
  EXPECT_THAT(Sign("/", {{"Param2", "value2"}, {"Param1", "value1"}}),
              EndsWith("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
}

TEST_F(SuiteTest, Utf8Path) {
  EXPECT_THAT(Sign("/\u1234", {}),
              EndsWith("8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"));
}

TEST_F(SuiteTest, HeaderValuesAreTrimmed) {
  EXPECT_THAT(Sign("/", {}, {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\""}}),
              EndsWith("acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"));
}

TEST(Signing, Texts) {
  EXPECT_EQ(SigningTime(1369353600LL * 1'000'000), "20130524T000000Z");
  EXPECT_EQ(PercentEncode("a b/ü~", true), "a%20b/%C3%BC~");
  EXPECT_EQ(PercentEncode("a/b", false), "a%2Fb");
  EXPECT_EQ(QueryText({{"list-type", "2"}, {"delimiter", "/"}}), "?delimiter=%2F&list-type=2");
  EXPECT_EQ(QueryText({}), "");
}

}  // namespace
}  // namespace tercet
