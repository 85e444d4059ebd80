#include "bucket/bucket_file_system.h"

#include <filesystem>

#include <arrow/buffer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "bucket/scripted_server.h"

namespace tercet {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kOk = Answer("200 OK", "");
const std::string kMissing = Answer("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>");

std::string Object(const std::string& bytes, const std::string& etag) {
  return Answer("200 OK", bytes, "ETag: \"" + etag + "\"\r\n");
}

/// A file system over a server with these answers.
class Bucket {
 public:
  explicit Bucket(std::vector<std::string> answers)
      : server(std::move(answers)),
        files(MakeBucketFileSystem({.endpoint = server.endpoint(),
                                    .region = "us-east-1",
                                    .credentials = nullptr,
                                    .path_style = true},
                                   "lake", directory_, SystemClock())
                  .ValueOrDie()) {}
  ~Bucket() { std::filesystem::remove_all(directory_); }

  std::string TextOf(const std::string& path) {
    const auto file = files->OpenMapped(path);
    if (!file.ok()) return file.status().ToString();
    return (*(*file)->ReadAt(0, *(*file)->GetSize()))->ToString();
  }

 private:
  const std::string directory_ =
      (std::filesystem::temp_directory_path() / ("tercet-bucket-" + NewUuid())).string();

 public:
  ScriptedServer server;
  const std::shared_ptr<FileSystem> files;
};

TEST(BucketFileSystem, FetchesWhatNeverChangesOnce) {
  Bucket bucket({Object("rows", "e")});
  EXPECT_EQ(bucket.TextOf("s3://lake/t/part-1.parquet"), "rows");
  EXPECT_EQ(bucket.TextOf("s3://lake/t/part-1.parquet"), "rows");
  EXPECT_EQ(bucket.files->Stat("s3://lake/t/part-1.parquet")->size_bytes, 4);
  EXPECT_EQ(bucket.server.requests().size(), 1u);
}

TEST(BucketFileSystem, AsksWhetherAFileOfTheLogIsStillTheSame) {
  const std::string first = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 3\r\n\r\n";
  const std::string second = "HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 3\r\n\r\n";
  Bucket bucket({first, Object("one", "a"), first, second, Object("two", "b")});
  const std::string path = "s3://lake/t/_delta_log/0.checkpoint.parquet";
  EXPECT_EQ(bucket.TextOf(path), "one");
  EXPECT_EQ(bucket.TextOf(path), "one");
  EXPECT_EQ(bucket.TextOf(path), "two");
  EXPECT_EQ(bucket.server.requests().size(), 5u);
}

TEST(BucketFileSystem, UploadsAFileWhenItIsWhole) {
  Bucket bucket({kOk});
  const std::string path = "s3://lake/t/part-1.parquet";
  const auto stream = bucket.files->Create(path);
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE((*stream)->Write("half", 4).ok());
  EXPECT_TRUE(bucket.files->SyncFile(path).ok());
  EXPECT_TRUE(bucket.server.requests().empty()) << "it is still being written";
  ASSERT_TRUE((*stream)->Write(", whole", 7).ok());
  ASSERT_TRUE((*stream)->Close().ok());
  EXPECT_EQ(bucket.files->Stat(path)->size_bytes, 11);
  EXPECT_TRUE(bucket.files->SyncFile(path).ok());
  EXPECT_TRUE(bucket.files->SyncFile(path).ok());
  ASSERT_EQ(bucket.server.requests().size(), 1u);
  EXPECT_THAT(bucket.server.requests()[0], StartsWith("PUT /lake/t/part-1.parquet HTTP/1.1"));
  EXPECT_THAT(bucket.server.requests()[0], HasSubstr("\r\n\r\nhalf, whole"));
  EXPECT_EQ(bucket.TextOf(path), "half, whole") << "it is in the cache from the start";
}

TEST(BucketFileSystem, ListsAFolder) {
  Bucket bucket({Answer("200 OK",
                        "<ListBucketResult><Contents><Key>t/</Key><Size>0</Size></Contents>"
                        "<Contents><Key>t/z</Key><Size>3</Size></Contents>"
                        "<CommonPrefixes><Prefix>t/_delta_log/</Prefix></CommonPrefixes>"
                        "</ListBucketResult>")});
  // As JoinPath makes a folder's name when there is nothing to join.
  const auto files = bucket.files->List("s3://lake/t/");
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].name, "_delta_log");
  EXPECT_TRUE((*files)[0].is_directory);
  EXPECT_EQ((*files)[1].name, "z");
  EXPECT_EQ((*files)[1].size_bytes, 3);
  EXPECT_THAT(bucket.server.requests()[0], HasSubstr("&prefix=t%2F "));
}

TEST(BucketFileSystem, RefusesAListingOfAnotherFolder) {
  const std::string begin = "<ListBucketResult>", end = "</ListBucketResult>";
  Bucket bucket({Answer("200 OK", begin + "<Contents><Key>t</Key><Size>1</Size></Contents>" + end),
                 Answer("200 OK", begin + "<CommonPrefixes><Prefix>folder/</Prefix>"
                                          "</CommonPrefixes>" + end)});
  for (int i = 0; i < 2; ++i) {
    const Status listed = bucket.files->List("s3://lake/folder").status();
    EXPECT_TRUE(listed.IsIOError());
    EXPECT_THAT(listed.message(), HasSubstr("not below it"));
  }
}

TEST(BucketFileSystem, OtherPathsAreTheDisks) {
  Bucket bucket({kMissing});
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("tercet-disk-" + NewUuid())).string();
  ASSERT_TRUE(bucket.files->MakeDirectory(folder).ok());
  ASSERT_TRUE(bucket.files->Replace(folder + "/a", "local").ok());
  EXPECT_EQ(bucket.TextOf(folder + "/a"), "local");
  EXPECT_EQ(bucket.files->List(folder)->size(), 1u);
  EXPECT_TRUE(bucket.files->RemoveTree(folder).ok());
  EXPECT_TRUE(bucket.server.requests().empty());
  EXPECT_FALSE(*bucket.files->Exists("s3://lake/none"));
}

}  // namespace
}  // namespace tercet
