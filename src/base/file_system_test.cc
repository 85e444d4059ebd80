#include "base/file_system.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "base/id.h"

namespace tercet {
namespace {

class FileSystemTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(disk_->MakeDirectory(root_).ok()); }
  void TearDown() override { ASSERT_TRUE(disk_->RemoveTree(root_).ok()); }
  std::string Path(std::string_view name) const { return JoinPath(root_, name); }

  const std::shared_ptr<FileSystem> disk_ = LocalFileSystem();
  const std::string root_ =
      (std::filesystem::temp_directory_path() / ("tercet-fs-" + NewUuid())).string();
};

TEST_F(FileSystemTest, OnlyOnePutWins) {
  std::atomic<int> winners{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const Status put = disk_->PutIfAbsent(Path("commit"), std::to_string(i));
      if (put.ok()) ++winners;
      EXPECT_TRUE(put.ok() || put.IsAlreadyExists()) << put;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(disk_->List(root_)->size(), 1u) << "temporary files are left behind";
}

TEST_F(FileSystemTest, PutSetsTheTime) {
  ASSERT_TRUE(disk_->PutIfAbsent(Path("a"), "x", 1357016400123456).ok());
  EXPECT_EQ(disk_->Stat(Path("a"))->modified_us, 1357016400123456);
}

TEST_F(FileSystemTest, ReplaceAndRead) {
  ASSERT_TRUE(disk_->Replace(Path("a"), "one").ok());
  ASSERT_TRUE(disk_->Replace(Path("a"), "two").ok());
  EXPECT_EQ(*disk_->ReadFile(Path("a")), "two");
  EXPECT_TRUE(disk_->ReadFile(Path("b")).status().IsKeyError());
  EXPECT_TRUE(disk_->Remove(Path("b")).ok());
  EXPECT_TRUE(disk_->Replace(Path("none/a"), "x").IsKeyError());
  EXPECT_TRUE(disk_->List(Path("none"))->empty());
}

TEST_F(FileSystemTest, MapsEmptyFilesToo) {
  ASSERT_TRUE(disk_->Replace(Path("empty"), "").ok());
  const auto file = disk_->OpenMapped(Path("empty"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*(*file)->GetSize(), 0);
}

}  // namespace
}  // namespace tercet
