#include "bucket/s3_answers.h"

#include <gtest/gtest.h>

#include "base/time_text.h"

namespace tercet {
namespace {

TEST(S3Answers, Listing) {
  ObjectListing listing;
  auto next = ReadListing(
      "<ListBucketResult><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>abc</NextContinuationToken>"
      "<Contents><Key>t/a</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>"
      "<ETag>&quot;e1&quot;</ETag><Size>434</Size></Contents>"
      "<CommonPrefixes><Prefix>t/x/</Prefix></CommonPrefixes></ListBucketResult>",
      &listing);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(*next, "abc");
  next = ReadListing("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
                     &listing);
  EXPECT_EQ(*next, "");
  ASSERT_EQ(listing.objects.size(), 1u);
  EXPECT_EQ(listing.objects[0].key, "t/a");
  EXPECT_EQ(listing.objects[0].size_bytes, 434);
  EXPECT_EQ(listing.objects[0].modified_us, *ParseTime("2009-10-12T17:50:30Z"));
  EXPECT_EQ(listing.objects[0].etag, "\"e1\"");
  EXPECT_EQ(listing.prefixes, std::vector<std::string>{"t/x/"});

  for (const char* bad :
       {"", "<Error/>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    EXPECT_TRUE(ReadListing(bad, &listing).status().IsInvalid()) << bad;
  }
}

TEST(S3Answers, Objects) {
  const auto part = ObjectOf("k", {.status = 206,
                                   .headers = {{"content-range", "bytes 0-9/443"},
                                               {"content-length", "10"},
                                               {"etag", "\"e\""},
                                               {"last-modified", "Wed, 21 Oct 2015 07:28:00 GMT"}},
                                   .body = {}});
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->size_bytes, 443);
  EXPECT_EQ(part->modified_us, *ParseTime("2015-10-21T07:28:00Z"));
  EXPECT_EQ(ObjectOf("k", {.status = 200, .headers = {{"content-length", "7"}}, .body = {}})
                ->size_bytes, 7);
  EXPECT_FALSE(ObjectOf("k", {.status = 206,
                              .headers = {{"content-range", "bytes 0-9/*"}},
                              .body = {}}).ok());
}

TEST(S3Answers, Troubles) {
  const HttpResponse busy{
      .status = 503, .headers = {}, .body = "<Error><Code>SlowDown</Code></Error>"};
  EXPECT_TRUE(IsPassing(busy));
  EXPECT_EQ(StoreErrorOf(busy).code, "SlowDown");
  EXPECT_FALSE(IsPassing({.status = 403, .headers = {}, .body = "<Error><Code>X</Code></Error>"}));
  EXPECT_FALSE(IsPassing({.status = 412, .headers = {}, .body = ""}));
  EXPECT_TRUE(IsPassing(
      {.status = 400, .headers = {}, .body = "<Error><Code>RequestTimeout</Code></Error>"}));
  EXPECT_EQ(StoreErrorOf({.status = 500, .headers = {}, .body = "oops"}).code, "");
}

}  // namespace
}  // namespace tercet
