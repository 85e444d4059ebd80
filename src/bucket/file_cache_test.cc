#include "bucket/file_cache.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "base/id.h"

namespace tercet {
namespace {

class FileCacheTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }

  FileCache::Fill Writes(const std::string& bytes) {
    return [this, bytes](const std::string& path) {
      ++fills_;
      return disk_->Replace(path, bytes);
    };
  }
  static std::string TextOf(arrow::io::RandomAccessFile* file) {
    return (*file->ReadAt(0, *file->GetSize()))->ToString();
  }

  const std::shared_ptr<FileSystem> disk_ = LocalFileSystem();
  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-cache-" + NewUuid())).string();
  std::atomic<int> fills_{0};
};

TEST_F(FileCacheTest, FillsOnceAcrossThreadsAndProcesses) {
  const auto cache = *FileCache::Open(root_, 1 << 20);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto file = cache->Map("a", Writes("one"));
      ASSERT_TRUE(file.ok()) << file.status();
      EXPECT_EQ(TextOf(file->get()), "one");
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto other = *FileCache::Open(root_, 1 << 20);
  EXPECT_EQ(TextOf(other->Map("a", Writes("two"))->get()), "one");
  EXPECT_EQ(fills_, 1);
  EXPECT_EQ(other->Stat("a")->size_bytes, 3);
  other->Forget("a");
  EXPECT_TRUE(cache->Stat("a").status().IsKeyError());
}

TEST_F(FileCacheTest, AFailedFillLeavesNothing) {
  const auto cache = *FileCache::Open(root_, 1 << 20);
  const auto failed = cache->Map("a", [&](const std::string& path) {
    EXPECT_TRUE(disk_->Replace(path, "half").ok());
    return Status::IOError("broken off");
  });
  EXPECT_TRUE(failed.status().IsIOError());
  EXPECT_TRUE(disk_->List(JoinPath(root_, "staging"))->empty());
  EXPECT_EQ(TextOf(cache->Map("a", Writes("whole"))->get()), "whole");
}

TEST_F(FileCacheTest, WhatWasUsedLongestAgoGoes) {
  const auto cache = *FileCache::Open(root_, 100);
  const std::string bytes(30, 'x');
  const auto mapped = *cache->Map("a", Writes(bytes));
  ASSERT_TRUE(cache->Ensure("b", Writes(bytes)).ok());
  ASSERT_TRUE(cache->Ensure("c", Writes(bytes)).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // past a tick of the disk's times
  ASSERT_TRUE(cache->Ensure("b", Writes(bytes)).ok());
  EXPECT_EQ(fills_, 3);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_TRUE(cache->Ensure("d", Writes(bytes)).ok());
  EXPECT_TRUE(cache->Stat("b").ok());
  EXPECT_TRUE(cache->Stat("d").ok());
  EXPECT_FALSE(cache->Stat("a").ok() && cache->Stat("c").ok()) << "nothing made room";
  EXPECT_EQ(TextOf(mapped.get()), bytes) << "what is mapped stays mapped";
  // Larger than the whole cache: kept all the same, since it is needed.
  EXPECT_TRUE(cache->Map("e", Writes(std::string(500, 'y'))).ok());
}

TEST_F(FileCacheTest, RemovesWhatDeadProcessesLeft) {
  const auto first = *FileCache::Open(root_, 100);
  const std::string fresh = first->NewStagedPath(), old = first->NewStagedPath();
  ASSERT_TRUE(disk_->Replace(fresh, "x").ok());
  ASSERT_TRUE(disk_->Replace(old, "x").ok());
  std::filesystem::last_write_time(
      old, std::filesystem::file_time_type::clock::now() - std::chrono::hours(25));
  const auto second = *FileCache::Open(root_, 100);
  EXPECT_TRUE(*disk_->Exists(fresh));
  EXPECT_FALSE(*disk_->Exists(old));
}

}  // namespace
}  // namespace tercet
