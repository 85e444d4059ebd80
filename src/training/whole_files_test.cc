#include "training/whole_files.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/id.h"

namespace tercet {
namespace {

namespace fs = std::filesystem;

class WholeFilesTest : public ::testing::Test {
 protected:
  WholeFilesTest() { fs::create_directory(folder_); }
  ~WholeFilesTest() override { fs::remove_all(folder_); }

  static void Write(const std::string& name, const std::string& text) {
    std::ofstream(name) << text;
  }
  static std::string Read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t Files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  /// A file that a process was killed over.
  std::string Remain() const {
    const pid_t child = ::fork();
    if (child == 0) {
      WholeFiles files;
      Write(files.NameFor(folder_ / "killed.csv"), "half");
      ::_exit(0);  // without the destructor
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().filename().string().starts_with(".killed.csv-")) return entry.path();
    }
    return {};
  }

  const fs::path folder_ = fs::temp_directory_path() / ("whole-files-" + NewUuid());
};

TEST_F(WholeFilesTest, HaveTheirNamesWhenAllAreWhole) {
  Write(folder_ / "a", "before");
  WholeFiles files;
  Write(files.NameFor(folder_ / "a"), "one");
  Write(files.NameFor(folder_ / "b"), "two");
  EXPECT_EQ(Read(folder_ / "a"), "before");
  EXPECT_FALSE(fs::exists(folder_ / "b"));
  ASSERT_TRUE(files.Publish().ok());
  EXPECT_EQ(Read(folder_ / "a"), "one");
  EXPECT_EQ(Read(folder_ / "b"), "two");
  EXPECT_EQ(Files(), 2);
}

TEST_F(WholeFilesTest, LeaveNothingWhenTheyAreGivenUp) {
  {
    WholeFiles files;
    Write(files.NameFor(folder_ / "a"), "half");
    EXPECT_EQ(Files(), 1);
  }
  EXPECT_EQ(Files(), 0);
}

TEST_F(WholeFilesTest, RemoveWhatAKilledProcessLeft) {
  const std::string remain = Remain();
  ASSERT_FALSE(remain.empty());
  WholeFiles files;
  const std::string name = files.NameFor(folder_ / "a");
  EXPECT_FALSE(fs::exists(remain));
  EXPECT_TRUE(fs::exists(name));
  // Another writer of the folder sees that this one lives.
  WholeFiles others;
  others.NameFor(folder_ / "b");
  EXPECT_TRUE(fs::exists(name));
  EXPECT_EQ(Files(), 2);
}

TEST_F(WholeFilesTest, LeaveFilesOfOthersAlone) {
  const std::string uuid = NewUuid();
  for (const std::string& name : {".a-" + uuid, "a-" + uuid + ".tercet-partial",
                                  std::string(".a.tercet-partial"), std::string(".hidden")}) {
    Write(folder_ / name, "theirs");
  }
  fs::create_symlink(folder_ / ".hidden", folder_ / (".a-" + NewUuid() + ".tercet-partial"));
  fs::create_directory(folder_ / (".a-" + NewUuid() + ".tercet-partial"));
  const size_t before = Files();
  WholeFiles().NameFor(folder_ / "a");
  EXPECT_EQ(Files(), before);
  // There can't be a file here: whoever opens the name says so.
  EXPECT_FALSE(fs::exists(WholeFiles().NameFor(folder_ / "none" / "a")));
}

}  // namespace
}  // namespace tercet
