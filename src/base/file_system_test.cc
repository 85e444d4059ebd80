#include "base/file_system.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"

namespace {

/// What was synced in this process, by name.
std::mutex synced_mutex;
std::vector<std::string> synced;  // guarded by synced_mutex

}  // namespace

/// The library's, which nothing else can observe: it takes a power failure to see that it was not
/// called.
extern "C" int fsync(int descriptor) {
  char name[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = ::readlink(link.c_str(), name, sizeof(name));
  if (size > 0) {
    const std::lock_guard lock(synced_mutex);
    synced.emplace_back(name, static_cast<size_t>(size));
  }
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace tercet {
namespace {

using testing::AllOf;
using testing::Contains;

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

TEST_F(FileSystemTest, NamesOfNewDirectoriesAreDurable) {
  {
    const std::lock_guard lock(synced_mutex);
    synced.clear();
  }
  ASSERT_TRUE(disk_->MakeDirectory(Path("a/b/c")).ok());
  {
    const std::lock_guard lock(synced_mutex);
    EXPECT_THAT(synced, AllOf(Contains(root_), Contains(Path("a")), Contains(Path("a/b"))));
    synced.clear();
  }
  ASSERT_TRUE(disk_->MakeDirectory(Path("a/b/c/")).ok());
  const std::lock_guard lock(synced_mutex);
  EXPECT_TRUE(synced.empty()) << "it was there";
}

TEST_F(FileSystemTest, AFileIsNoDirectory) {
  ASSERT_TRUE(disk_->Replace(Path("a"), "x").ok());
  EXPECT_TRUE(disk_->MakeDirectory(Path("a")).IsIOError());
  EXPECT_TRUE(disk_->MakeDirectory(Path("a/b/c")).IsIOError());
}

TEST_F(FileSystemTest, AListingIsWholeOrFails) {
  std::filesystem::create_symlink("gone", Path("dangling"));
  EXPECT_TRUE(disk_->List(root_)->empty());
  std::filesystem::create_symlink("loop", Path("loop"));
  const Status status = disk_->List(root_).status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_NE(status.message().find("loop"), std::string::npos) << status;
}

TEST_F(FileSystemTest, MapsEmptyFilesToo) {
  ASSERT_TRUE(disk_->Replace(Path("empty"), "").ok());
  const auto file = disk_->OpenMapped(Path("empty"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*(*file)->GetSize(), 0);
}

}  // namespace
}  // namespace tercet
