#include "offline/compaction_choice.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace tercet {
namespace {

/// A file of rows over [low, high], or a foreign one where low is 0.
DataFilePtr FileOver(int64_t version, int64_t position, char low, char high, int64_t rows) {
  auto file = std::make_shared<DataFile>();
  file->version = version;
  file->position = position;
  file->path = std::to_string(version) + "-" + std::to_string(position);
  if (low != 0) {
    file->run =
        RunTags{.row_count = rows, .low = std::string(1, low), .high = std::string(1, high)};
  }
  return file;
}

bool Overlap(const DataFile& a, const DataFile& b) {
  return !a.run || !b.run || (a.run->low <= b.run->high && b.run->low <= a.run->high);
}

/// Whether a file is not chosen though its rows would lose to older ones of the merged file.
bool LeavesOneBetween(const std::vector<DataFilePtr>& files,
                      const std::set<const DataFile*>& chosen) {
  int64_t youngest = -1;
  for (const DataFile* file : chosen) youngest = std::max(youngest, file->version);
  for (const DataFilePtr& other : files) {
    if (chosen.contains(other.get()) || other->version > youngest) continue;
    for (const DataFile* file : chosen) {
      if (!file->After(*other) && Overlap(*file, *other)) return true;
    }
  }
  return false;
}

/// What must be chosen whatever lies around it, then more and more until nothing is left between.
std::set<const DataFile*> Naive(const std::vector<DataFilePtr>& files, const RunLayout& layout) {
  std::set<const DataFile*> chosen;
  std::vector<const DataFile*> large;
  bool worn = false;
  for (const DataFilePtr& file : files) {
    worn = worn || !file->run;
    if (!file->run || file->run->row_count < SmallRunRows(layout)) {
      chosen.insert(file.get());
    } else {
      large.push_back(file.get());
    }
  }
  if (chosen.size() == 1 && !worn) chosen.clear();
  size_t deepest = 0;
  for (char c = 'a'; c <= 'z'; ++c) {
    size_t depth = 0;
    for (const DataFile* file : large) depth += file->run->low[0] <= c && c <= file->run->high[0];
    deepest = std::max(deepest, depth);
  }
  for (const DataFile* a : large) {
    for (const DataFile* b : large) {
      if (deepest >= 4 && a != b && Overlap(*a, *b)) chosen.insert(a);
    }
  }
  int64_t youngest = -1;
  for (const DataFile* file : chosen) youngest = std::max(youngest, file->version);
  while (LeavesOneBetween(files, chosen)) {
    for (const DataFilePtr& other : files) {
      for (const DataFile* file : std::set(chosen)) {
        if (other->version <= youngest && !file->After(*other) && Overlap(*file, *other)) {
          chosen.insert(other.get());
        }
      }
    }
  }
  return chosen;
}

TEST(FilesToCompact, ChoosesWhatAComparisonOfAllPairsChooses) {
  std::mt19937 random{7};
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const RunLayout layout{.max_file_rows = 400};
  for (int round = 0; round < 5000; ++round) {
    std::vector<DataFilePtr> files;
    for (int i = below(12); i >= 0; --i) {
      const char low = static_cast<char>('a' + below(26));
      const char high = static_cast<char>(low + below('z' - low + 1));
      const bool foreign = below(20) == 0;
      const int64_t rows = below(8) == 0 ? 9 : 300;
      files.push_back(FileOver(below(6), below(3), foreign ? 0 : low, high, rows));
    }
    std::sort(files.begin(), files.end(),
              [](const auto& a, const auto& b) { return b->After(*a); });
    const std::vector<DataFilePtr> chosen = FilesToCompact(files, layout);
    std::set<const DataFile*> found;
    for (const DataFilePtr& file : chosen) found.insert(file.get());
    ASSERT_EQ(found, Naive(files, layout)) << "round " << round;
    ASSERT_TRUE(std::is_sorted(chosen.begin(), chosen.end(),
                               [](const auto& a, const auto& b) { return b->After(*a); }));
  }
}

TEST(FilesToCompact, LeavesFilesOfKeylessRowsAlone) {
  auto keyless = std::make_shared<DataFile>(*FileOver(1, 0, 0, 0, 0));
  keyless->keyless = true;
  const std::vector<DataFilePtr> files = {keyless, FileOver(2, 0, 'a', 'z', 9),
                                          FileOver(3, 0, 'a', 'z', 9)};
  EXPECT_EQ(FilesToCompact(files, {}).size(), 2);
  EXPECT_TRUE(FilesToCompact({keyless}, {}).empty());
}

/// A comparison of all pairs, again for every file that it adds, would take hours.
TEST(FilesToCompact, TakesTensOfThousandsOfFiles) {
  std::vector<DataFilePtr> files;
  constexpr int kFiles = 40'000;
  for (int i = 0; i < kFiles; ++i) {
    auto file = std::make_shared<DataFile>(*FileOver(i, 0, 'a', 'a', i == 0 ? 9 : 1'000'000));
    const auto at = [](int n) { return std::to_string(1'000'000 + n); };
    // Each lies over the end of the one before, so one drags the next along.
    file->run->low = at(10 * i);
    file->run->high = at(10 * i + 10);
    files.push_back(std::move(file));
  }
  auto last = std::make_shared<DataFile>(*FileOver(kFiles, 0, 'y', 'z', 9));
  files.push_back(last);
  EXPECT_EQ(FilesToCompact(files, {}).size(), kFiles + 1);
}

}  // namespace
}  // namespace tercet
