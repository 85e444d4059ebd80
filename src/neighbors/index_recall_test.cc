#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "base/test_disk.h"
#include "neighbors/test_group.h"

namespace tercet {
namespace {

constexpr int64_t kItems = 3000;

class IndexRecallTest : public ItemsTest {
 protected:
  static bool Never() { return false; }

  void InsertItems() {
    std::vector<Item> items;
    for (int64_t id = 0; id < kItems; ++id) items.push_back(RandomItem(id));
    Insert(items);
  }

  std::shared_ptr<EmbeddingIndex> Recalled() {
    return EmbeddingIndex::Load(SourceOfIndex(), /*recall=*/true).ValueOrDie();
  }
  /// An index with a graph, on disk too.
  std::shared_ptr<EmbeddingIndex> Kept() {
    auto index = LoadIndex();
    EXPECT_TRUE(index->Work(Never).ok());
    const Status kept = index->Keep();
    EXPECT_TRUE(kept.ok()) << kept;
    return index;
  }
  std::string path() { return SourceOfIndex().file; }
  std::string FileBytes() { return files_->ReadFile(path()).ValueOrDie(); }

  /// The nearest ids by the index, of the graph or exactly.
  std::vector<int64_t> Ids(EmbeddingIndex* index, const std::vector<float>& query, bool exact) {
    std::vector<float> floats(PaddedFloats(query.size()));
    std::copy(query.begin(), query.end(), floats.begin());
    const LabelSearch search{
        .count = 10, .candidates = 48, .exact = exact, .filter_text = "", .filter = nullptr};
    const NearKeys near = index->Search(std::span(&floats, 1), search).ValueOrDie();
    const auto& ids = static_cast<const arrow::Int64Array&>(*near.keys->column(0));
    return {ids.raw_values(), ids.raw_values() + ids.length()};
  }
  void ExpectFindsWhatIsThere(EmbeddingIndex* index) {
    size_t hits = 0;
    for (int i = 0; i < 10; ++i) {
      const std::vector<float> query = RandomVector();
      std::vector<int64_t> wanted;
      for (const auto& [distance, id] :
           Nearest(RequestOf(query, 10), [](const Item&) { return true; })) {
        wanted.push_back(id);
      }
      EXPECT_EQ(Ids(index, query, /*exact=*/true), wanted);
      for (const int64_t id : Ids(index, query, /*exact=*/false)) {
        hits += std::find(wanted.begin(), wanted.end(), id) != wanted.end();
      }
    }
    EXPECT_GE(hits, 95U);
  }
};

TEST_F(IndexRecallTest, TheNextProcessHasTheGraphAtOnce) {
  Define(8, VectorMetric::kL2);
  InsertItems();
  Kept();
  const auto index = Recalled();
  EXPECT_EQ(index->Info().in_graph, kItems);
  EXPECT_FALSE(index->HasWork());
  ExpectFindsWhatIsThere(index.get());
  EXPECT_EQ(index->Info().exact, 10) << "only where it was asked to be";
}

/// Whatever happened to the group meanwhile, the rows are those that are online now.
TEST_F(IndexRecallTest, WhatHasChangedSinceIsSeen) {
  Define(8, VectorMetric::kL2, /*ttl_us=*/50 * kHour);
  InsertItems();
  Kept();
  for (int round = 0; round < 4; ++round) {
    std::vector<Item> items;
    std::set<int64_t> ids;
    while (ids.size() < 300) ids.insert(static_cast<int64_t>(random_() % (kItems + 500)));
    for (const int64_t id : ids) {
      // Written over, or new; some in half an hour's time or past their TTL before long.
      const size_t i = items.size();
      items.push_back(RandomItem(id));
      if (i % 10 == 0) items.back().time_us = clock_.NowMicros() - 49 * kHour;
      if (i % 10 == 1) items.back().time_us = clock_.NowMicros() + kHour / 2;
    }
    Insert(items);
    std::vector<int64_t> gone;
    for (int i = 0; i < 100; ++i) gone.push_back(static_cast<int64_t>(random_() % kItems));
    Apply(Delete(gone));
    clock_.Advance(kHour);
    const auto index = Recalled();
    EXPECT_GE(index->Info().in_graph, kItems);
    EXPECT_EQ(index->Info().rows, static_cast<int64_t>(online_->Visible().size()));
    ExpectFindsWhatIsThere(index.get());
    ASSERT_TRUE(index->Work(Never).ok());
    ExpectFindsWhatIsThere(index.get());
    ASSERT_TRUE(index->Keep().ok());
  }
}

TEST_F(IndexRecallTest, AFileThatIsDamagedIsRefused) {
  Define(8, VectorMetric::kL2);
  InsertItems();
  Kept();
  const std::string bytes = FileBytes();
  std::vector<std::string> damaged = {"", bytes.substr(0, 8), bytes.substr(0, bytes.size() - 1),
                                      bytes + "x"};
  for (int i = 0; i < 8; ++i) {
    damaged.push_back(bytes);
    damaged.back()[random_() % bytes.size()] ^= 4;
  }
  for (const std::string& one : damaged) {
    ASSERT_TRUE(files_->Replace(path(), one).ok());
    const auto index = Recalled();
    EXPECT_EQ(index->Info().in_graph, 0);
    EXPECT_EQ(index->Info().rows, kItems);
  }
}

TEST_F(IndexRecallTest, AFileOfSomethingElseIsRefused) {
  Define(8, VectorMetric::kL2);
  InsertItems();
  Kept();
  IndexSource source = SourceOfIndex();
  source.embedding.metric = VectorMetric::kCosine;
  const auto index = EmbeddingIndex::Load(source, /*recall=*/true).ValueOrDie();
  EXPECT_EQ(index->Info().in_graph, 0);
}

TEST_F(IndexRecallTest, AFileIsWrittenWhenTheGraphHasGrown) {
  Define(8, VectorMetric::kL2);
  InsertItems();
  const auto index = Kept();
  const std::string before = FileBytes();
  Insert({RandomItem(kItems)});
  ASSERT_TRUE(index->CatchUp().ValueOrDie());
  ASSERT_TRUE(index->Work(Never).ok() && index->Keep().ok());
  EXPECT_TRUE(FileBytes() == before);
  std::vector<Item> more;
  for (int64_t id = kItems; id < kItems + 500; ++id) more.push_back(RandomItem(id));
  Insert(more);
  ASSERT_TRUE(index->CatchUp().ValueOrDie());
  ASSERT_TRUE(index->Work(Never).ok() && index->Keep().ok());
  EXPECT_FALSE(FileBytes() == before);
  EXPECT_EQ(files_->List(JoinPath(root_, "neighbors")).ValueOrDie().size(), 1U);
}

TEST_F(IndexRecallTest, WhereThereIsNoMemoryForTheGraphThereIsForTheRows) {
  Define(8, VectorMetric::kL2);
  InsertItems();
  const auto bytes = static_cast<size_t>(LoadIndex()->Info().bytes);
  Kept();
  MemoryShare others(&memory_);
  ASSERT_TRUE(others.Set(memory_.limit_bytes() - bytes - 10'000).ok());
  const auto index = Recalled();
  EXPECT_EQ(index->Info().in_graph, 0);
  EXPECT_EQ(index->Info().rows, kItems);
}

TEST_F(IndexRecallTest, FilesGoWithTheGroup) {
  NeighborOptions options;
  options.folder = JoinPath(root_, "neighbors");
  Define(8, VectorMetric::kL2, std::nullopt, options);
  InsertItems();
  ASSERT_TRUE(search_->Find({"items", 1}, RequestOf(RandomVector(), 3)).ok());
  const auto files = [&] {
    const std::vector<FileInfo> all = files_->List(options.folder).ValueOrDie();
    return std::count_if(all.begin(), all.end(),
                         [](const FileInfo& file) { return file.name.ends_with(".index"); });
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (files() != 1 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  ASSERT_TRUE(search_->Forget({"items", 2}).ok());
  EXPECT_EQ(files(), 1);
  ASSERT_TRUE(search_->Forget({"items", 1}).ok());
  EXPECT_EQ(files(), 0);
}

/// Where something else happens just before a file is begun.
class BusyDisk : public TestDisk {
 public:
  std::function<void()> meanwhile;
  std::atomic<bool> renamed = false;

  Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& path) override {
    if (meanwhile) meanwhile();
    return disk_->Create(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    const Status status = disk_->Rename(from, to);
    renamed = true;
    return status;
  }
};

TEST_F(IndexRecallTest, AFileThatIsBeingWrittenGoesWithTheGroup) {
  const auto disk = std::make_shared<BusyDisk>();
  disk->meanwhile = [this] { EXPECT_TRUE(search_->Forget({"items", 1}).ok()); };
  NeighborOptions options;
  options.folder = JoinPath(root_, "neighbors");
  options.file_system = disk;
  Define(8, VectorMetric::kL2, std::nullopt, options);
  InsertItems();
  ASSERT_TRUE(search_->Find({"items", 1}, RequestOf(RandomVector(), 3)).ok());
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!disk->renamed && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  ASSERT_TRUE(disk->renamed);
  search_.reset();  // the thread that writes ends
  EXPECT_EQ(files_->List(options.folder).ValueOrDie().size(), 0U);
}

}  // namespace
}  // namespace tercet
