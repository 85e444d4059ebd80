#include "registry/file_lock.h"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/id.h"

namespace tercet {
namespace {

constexpr int kLong = 60;

class FileLockTest : public testing::Test {
 protected:
  ~FileLockTest() override { EXPECT_TRUE(LocalFileSystem()->Remove(path_).ok()); }
  const std::string path_ = JoinPath(testing::TempDir(), "lock-" + NewUuid());
};

TEST_F(FileLockTest, IsHeldByOne) {
  {
    const auto held = FileLock::Acquire(path_, kLong);
    ASSERT_TRUE(held.ok()) << held.status();
    EXPECT_TRUE(FileLock::Acquire(path_, 0).status().IsCancelled());
  }
  EXPECT_TRUE(FileLock::Acquire(path_, 0).ok());
}

TEST_F(FileLockTest, IsLetGoThoughAChildWasForkedMeanwhile) {
  pid_t child = -1;
  {
    const auto held = FileLock::Acquire(path_, kLong);
    ASSERT_TRUE(held.ok()) << held.status();
    child = ::fork();
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  EXPECT_TRUE(FileLock::Acquire(path_, 0).ok());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace tercet
