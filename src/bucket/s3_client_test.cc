#include "bucket/s3_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "bucket/scripted_server.h"

namespace tercet {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kBusy = Answer("503 Slow Down", "<Error><Code>SlowDown</Code></Error>");
const std::string kTrouble = Answer("500 Oh", "<Error><Code>InternalError</Code></Error>");
const std::string kOk = Answer("200 OK", "");
const std::string kExists =
    Answer("412 Precondition Failed", "<Error><Code>PreconditionFailed</Code></Error>");
const std::string kConflict =
    Answer("409 Conflict", "<Error><Code>ConditionalRequestConflict</Code></Error>");
const std::string kMissing = Answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>");

std::string Object(const std::string& bytes) {
  const std::string size = std::to_string(bytes.size());
  return Answer("206 Partial Content", bytes,
                "ETag: \"e\"\r\nContent-Range: bytes 0-" + std::to_string(bytes.size() - 1) + "/" +
                    size + "\r\n");
}

/// A client of a server with these answers.
struct Script {
  explicit Script(
      std::vector<std::string> answers,
      std::shared_ptr<CredentialsSource> credentials = FixedCredentials({"key", "secret", "token"}))
      : server(std::move(answers)),
        client({.endpoint = server.endpoint(),
                .region = "us-east-1",
                .credentials = std::move(credentials),
                .path_style = true},
               "lake", &clock) {}
  ManualClock clock{1369353600LL * 1'000'000};
  ScriptedServer server;
  S3Client client;
};

TEST(S3Client, RequestsAreSigned) {
  Script script({Object("bytes")});
  EXPECT_EQ(script.client.GetAll("a b/c")->bytes, "bytes");
  const std::string request = script.server.requests().at(0);
  EXPECT_THAT(request, StartsWith("GET /lake/a%20b/c HTTP/1.1\r\nrange: bytes=0-8388607\r\n"));
  EXPECT_THAT(request,
              AllOf(HasSubstr("x-amz-date: 20130524T000000Z\r\n"),
                    HasSubstr("x-amz-security-token: token\r\n"),
                    HasSubstr("authorization: AWS4-HMAC-SHA256 Credential=key/20130524/us-east-1/"
                              "s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;"
                              "x-amz-date;x-amz-security-token, Signature=")));
}

TEST(S3Client, CredentialsThatExpireBeforeTheirTimeAreRenewed) {
  const std::string expired = Answer("403 Forbidden", "<Error><Code>ExpiredToken</Code></Error>");
  int fetched = 0;
  const auto fetch = [&]() -> Result<S3Credentials> {
    return S3Credentials{"key" + std::to_string(++fetched), "secret", "token"};
  };
  Script script({expired, Object("bytes"), expired, expired},
                std::make_shared<TemporaryCredentials>(fetch));
  EXPECT_EQ(script.client.GetAll("k")->bytes, "bytes");
  EXPECT_THAT(script.server.requests().at(1), HasSubstr("Credential=key2/"));
  EXPECT_THAT(script.client.GetAll("k").status().message(),
              HasSubstr("the session token has expired"));
  Script fixed({expired});
  EXPECT_THAT(fixed.client.GetAll("k").status().message(),
              HasSubstr("the session token has expired"));
}

TEST(S3Client, PassingTroublesAreRepeated) {
  Script script({kBusy, "", kTrouble, Object("bytes")});
  EXPECT_EQ(script.client.GetAll("k")->bytes, "bytes");
  EXPECT_EQ(script.server.requests().size(), 4u);
}

TEST(S3Client, ShortBodiesAreFetchedAgain) {
  Script script({Answer("206 Partial Content", "by", "Content-Range: bytes 0-4/5\r\n"),
                 Object("bytes"), Answer("200 OK", "whole")});  // a store without ranges
  EXPECT_EQ(script.client.GetAll("k")->bytes, "bytes");
  EXPECT_EQ(script.client.Get("k", 1, 3)->bytes, "hol");
}

TEST(S3Client, EmptyObjects) {
  Script script({Answer("416 Range", "<Error><Code>InvalidRange</Code></Error>"), kOk});
  EXPECT_EQ(script.client.GetAll("k")->bytes, "");
}

TEST(S3Client, OthersAreTold) {
  Script script({kMissing, Answer("404 Not Found", "<Error><Code>NoSuchBucket</Code></Error>"),
                 Answer("403 Forbidden",
                        "<Error><Code>InvalidAccessKeyId</Code>"
                        "<Message>who?</Message></Error>"),
                 Answer("301 Moved", "", "x-amz-bucket-region: eu-west-1\r\n"),
                 Answer("412 Precondition Failed", "")});
  EXPECT_TRUE(script.client.GetAll("k").status().IsKeyError());
  const auto no_bucket = script.client.GetAll("k").status();
  EXPECT_TRUE(no_bucket.IsIOError());
  EXPECT_THAT(no_bucket.message(), HasSubstr("there is no bucket 'lake'"));
  EXPECT_THAT(script.client.GetAll("k").status().message(),
              HasSubstr("'s3://lake/k': access is denied; check AWS_ACCESS_KEY_ID, "
                        "AWS_SECRET_ACCESS_KEY and what they may do (403 InvalidAccessKeyId: "
                        "who?)"));
  EXPECT_THAT(script.client.GetAll("k").status().message(),
              HasSubstr("the bucket is in region 'eu-west-1', not 'us-east-1'"));
  EXPECT_THAT(script.client.Get("k", 8, 8, "\"e\"").status().message(),
              HasSubstr("replaced meanwhile"));
}

TEST(S3Client, OnlyOnePutWins) {
  Script script({kOk, kExists, kConflict, kExists});
  EXPECT_TRUE(script.client.PutIfAbsent("k", "ours").ok());
  EXPECT_THAT(script.server.requests().at(0), HasSubstr("\r\nif-none-match: *\r\n"));
  EXPECT_TRUE(script.client.PutIfAbsent("k", "ours").IsAlreadyExists());
  EXPECT_TRUE(script.client.PutIfAbsent("k", "ours").IsAlreadyExists());
  EXPECT_EQ(script.server.requests().size(), 4u);
}

TEST(S3Client, ALostAnswerIsFoundOut) {
  for (const std::string& lost : {kTrouble, std::string()}) {
    Script won({lost, kExists, Object("ours")});
    EXPECT_TRUE(won.client.PutIfAbsent("k", "ours").ok());
    Script other({lost, kExists, Object("theirs")});
    EXPECT_TRUE(other.client.PutIfAbsent("k", "ours").IsAlreadyExists());
    Script again({lost, kOk});
    EXPECT_TRUE(again.client.PutIfAbsent("k", "ours").ok());
  }
}

TEST(S3Client, AnOutcomeThatNobodyKnowsIsMarked) {
  Script unknown({kTrouble, Answer("403 Forbidden", ""), Answer("403 Forbidden", "")});
  const Status put = unknown.client.PutIfAbsent("k", "ours");
  EXPECT_TRUE(put.IsIOError());
  EXPECT_TRUE(HasUnknownOutcome(put)) << put;
  Script refused({Answer("403 Forbidden", "")});
  const Status known = refused.client.PutIfAbsent("k", "ours");
  EXPECT_TRUE(known.IsIOError());
  EXPECT_FALSE(HasUnknownOutcome(known));
}

TEST(S3Client, LargeObjectsGoInParts) {
  const std::string bytes(20 << 20, 'x');
  const std::string part = Answer("200 OK", "", "ETag: \"p\"\r\n");
  // One connection at a time is answered, which several threads then share in turn.
  Script script({Answer("200 OK", "<R><UploadId>u 1</UploadId></R>"), part + "!", part + "!",
                 part + "!", Answer("200 OK", "<Error><Code>InternalError</Code></Error>"),
                 Answer("404 Not Found", "<Error><Code>NoSuchUpload</Code></Error>"),
                 "HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\n\r\n"});
  const Status put = script.client.PutInParts("k", bytes);
  EXPECT_TRUE(put.ok()) << put;
  const auto requests = script.server.requests();
  ASSERT_EQ(requests.size(), 7u);
  EXPECT_THAT(requests[0], StartsWith("POST /lake/k?uploads= HTTP/1.1"));
  EXPECT_THAT(requests[1], HasSubstr("&uploadId=u%201 HTTP/1.1"));
  EXPECT_THAT(requests[4], HasSubstr("<Part><PartNumber>3</PartNumber><ETag>\"p\"</ETag></Part>"));
}

TEST(S3Client, ListsPageByPage) {
  Script script({Answer("200 OK",
                        "<ListBucketResult><IsTruncated>true</IsTruncated>"
                        "<NextContinuationToken>t/1</NextContinuationToken><Contents>"
                        "<Key>a</Key><Size>1</Size></Contents></ListBucketResult>"),
                 Answer("200 OK", "<ListBucketResult><Cont"),
                 Answer("200 OK",
                        "<ListBucketResult><Contents><Key>b</Key><Size>2</Size>"
                        "</Contents></ListBucketResult>")});
  const auto listing = script.client.List("p/", "/");
  ASSERT_TRUE(listing.ok()) << listing.status();
  ASSERT_EQ(listing->objects.size(), 2u);
  EXPECT_EQ(listing->objects[1].size_bytes, 2);
  EXPECT_THAT(script.server.requests().at(2), HasSubstr("continuation-token=t%2F1&"));
}

}  // namespace
}  // namespace tercet
