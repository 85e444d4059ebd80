#include "catalog/catalog.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

class CatalogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("tercet-catalog-" + NewUuid());
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "catalog.db";
    catalog_ = OpenOrDie();
  }
  void TearDown() override {
    catalog_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<Catalog> OpenOrDie() { return Catalog::Open(path_, &clock_).ValueOrDie(); }
  CatalogEntry PutOrDie(Kind kind, const Ref& ref, const std::vector<NounRef>& depends_on = {}) {
    return catalog_->Put(kind, ref, {{"name", ref.name}}, depends_on).ValueOrDie();
  }

  ManualClock clock_{1'000'000};
  std::filesystem::path folder_;
  std::string path_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(CatalogTest, KeepsWhatWasPutAcrossOpenings) {
  const json::object definition{{"name", "weather"}, {"ttl_us", 3}};
  const CatalogEntry put =
      *catalog_->Put(Kind::kFeatureGroup, {"weather", 2}, definition, {});
  EXPECT_EQ(put.created_us, 1'000'000);
  EXPECT_EQ(put.revision, 1);
  catalog_ = OpenOrDie();
  const CatalogEntry got = *catalog_->Get(Kind::kFeatureGroup, {"weather", 2});
  EXPECT_EQ(got.definition, definition);
  EXPECT_EQ(got.created_us, 1'000'000);
  EXPECT_EQ(*catalog_->Find(Kind::kFeatureView, {"weather", 2}), std::nullopt);
}

TEST_F(CatalogTest, VersionZeroReadsTheNewestAndTakesTheNextFree) {
  const CatalogEntry first = *catalog_->Put(Kind::kModel, {"delay", 0}, {{"version", 0}}, {});
  EXPECT_EQ(first.ref.version, 1);
  EXPECT_EQ(first.definition.at("version").as_int64(), 1);
  PutOrDie(Kind::kModel, {"delay", 7});
  EXPECT_EQ(PutOrDie(Kind::kModel, {"delay", 0}).ref.version, 8);
  EXPECT_EQ(catalog_->Get(Kind::kModel, {"delay", 0})->ref.version, 8);
  // A dropped number is not given again.
  ASSERT_TRUE(catalog_->Drop(Kind::kModel, {"delay", 8}).ok());
  EXPECT_EQ(catalog_->Get(Kind::kModel, {"delay", 0})->ref.version, 7);
  EXPECT_EQ(*catalog_->NextVersion(Kind::kModel, "delay"), 9);
  EXPECT_EQ(PutOrDie(Kind::kModel, {"delay", 0}).ref.version, 9);
  EXPECT_EQ(*catalog_->NextVersion(Kind::kModel, "other"), 1);
  EXPECT_EQ(*catalog_->NextVersion(Kind::kRun, "r"), 1);
}

TEST_F(CatalogTest, RefusesWhatIsTaken) {
  PutOrDie(Kind::kFeatureView, {"delay", 1});
  const Status again = catalog_->Put(Kind::kFeatureView, {"delay", 1}, {}, {}).status();
  EXPECT_TRUE(again.IsAlreadyExists());
  EXPECT_THAT(again.message(), HasSubstr("feature view 'delay@1' exists"));
}

TEST_F(CatalogTest, RefusesNamesThatWouldEscape) {
  for (const char* name : {"../weather", "a/b", "", ".", "..", "1st", "a\nb", "a b", "wéather"}) {
    for (const Kind kind : {Kind::kFeatureGroup, Kind::kFeatureView, Kind::kModel,
                            Kind::kDeployment, Kind::kTrainingDataset}) {
      EXPECT_TRUE(catalog_->Put(kind, {name, 1}, {}, {}).status().IsInvalid()) << name;
    }
  }
  EXPECT_TRUE(catalog_->Put(Kind::kFeatureGroup, {std::string(64, 'a'), 1}, {}, {}).status()
                  .IsInvalid());
  EXPECT_TRUE(catalog_->Put(Kind::kRun, {"../x", 1}, {}, {}).status().IsInvalid());
  EXPECT_TRUE(catalog_->Put(Kind::kTrainingDataset, {"delay", 1}, {}, {}).status().IsInvalid());
  EXPECT_TRUE(catalog_->Put(Kind::kTrainingDataset, {"../x@1", 1}, {}, {}).status().IsInvalid());
  EXPECT_TRUE(catalog_->Put(Kind::kTrainingDataset, {"delay@1", 1}, {}, {}).ok());
  EXPECT_TRUE(catalog_->Put(Kind::kRelease, {std::string(64, 'f'), 1}, {}, {}).ok());
  EXPECT_TRUE(catalog_->Put(Kind::kRun, {NewUuid(), 1}, {}, {}).ok());
}

TEST_F(CatalogTest, SuggestsNamesAndSaysTheNewestVersion) {
  PutOrDie(Kind::kFeatureGroup, {"weather", 3});
  const Status unknown = catalog_->Get(Kind::kFeatureGroup, {"wether", 1}).status();
  EXPECT_TRUE(unknown.IsKeyError());
  EXPECT_THAT(unknown.message(), HasSubstr("did you mean 'weather'?"));
  EXPECT_THAT(catalog_->Get(Kind::kFeatureGroup, {"weather", 9}).status().message(),
              HasSubstr("its newest version is 3"));
}

TEST_F(CatalogTest, ListsInOrderOfNameAndVersion) {
  for (const Ref& ref : {Ref{"b", 2}, Ref{"b", 10}, Ref{"a", 1}}) {
    PutOrDie(Kind::kFeatureGroup, ref);
  }
  std::vector<std::string> texts;
  for (const auto& entry : *catalog_->List(Kind::kFeatureGroup)) {
    texts.push_back(entry.ref.ToText());
  }
  EXPECT_THAT(texts, ::testing::ElementsAre("a@1", "b@2", "b@10"));
  EXPECT_EQ(catalog_->List(Kind::kFeatureGroup, "b")->size(), 2);
  EXPECT_TRUE(catalog_->List(Kind::kModel)->empty());
}

TEST_F(CatalogTest, RefusesToDropWhatOthersNeed) {
  PutOrDie(Kind::kFeatureGroup, {"weather", 1});
  const NounRef weather{Kind::kFeatureGroup, {"weather", 1}};
  PutOrDie(Kind::kFeatureView, {"delay", 1}, {weather});
  const Status refused = catalog_->Drop(Kind::kFeatureGroup, {"weather", 1});
  EXPECT_TRUE(refused.IsInvalid());
  EXPECT_THAT(refused.message(), HasSubstr("needed by feature view 'delay@1'"));
  EXPECT_THAT(*catalog_->Dependents(Kind::kFeatureGroup, {"weather", 1}),
              ::testing::ElementsAre(NounRef{Kind::kFeatureView, {"delay", 1}}));
  EXPECT_THAT(*catalog_->Dependencies(Kind::kFeatureView, {"delay", 1}),
              ::testing::ElementsAre(weather));
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureView, {"delay", 1}).ok());
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureGroup, {"weather", 1}).ok());
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureGroup, {"weather", 1}).IsKeyError());
}

TEST_F(CatalogTest, AnUnknownDependencyAddsNothing) {
  const Status status =
      catalog_->Put(Kind::kFeatureView, {"delay", 1}, {}, {{Kind::kFeatureGroup, {"wind", 1}}})
          .status();
  EXPECT_TRUE(status.IsKeyError());
  EXPECT_EQ(*catalog_->Find(Kind::kFeatureView, {"delay", 1}), std::nullopt);
}

TEST_F(CatalogTest, UpdateIsCompareAndSwap) {
  PutOrDie(Kind::kFeatureGroup, {"weather", 1});
  PutOrDie(Kind::kDeployment, {"delay", 0});
  const CatalogEntry second =
      *catalog_->Update(Kind::kDeployment, {"delay", 1}, 1, {{"x", 2}},
                        std::vector<NounRef>{{Kind::kFeatureGroup, {"weather", 1}}});
  EXPECT_EQ(second.revision, 2);
  EXPECT_TRUE(catalog_->Update(Kind::kDeployment, {"delay", 1}, 1, {{"x", 3}}).status()
                  .IsCancelled());
  EXPECT_EQ(catalog_->Get(Kind::kDeployment, {"delay", 1})->definition.at("x").as_int64(), 2);
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureGroup, {"weather", 1}).IsInvalid());
  // Without dependencies given, they stay; with an empty list, they go.
  EXPECT_TRUE(catalog_->Update(Kind::kDeployment, {"delay", 1}, 2, {}).ok());
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureGroup, {"weather", 1}).IsInvalid());
  const std::vector<NounRef> none;
  EXPECT_TRUE(catalog_->Update(Kind::kDeployment, {"delay", 1}, 3, {}, none).ok());
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureGroup, {"weather", 1}).ok());
}

TEST_F(CatalogTest, TheChangeCounterHearsOfEveryWriter) {
  auto other = OpenOrDie();
  const int64_t before = *catalog_->ChangeCounter();
  EXPECT_EQ(*catalog_->ChangeCounter(), before);
  PutOrDie(Kind::kModel, {"delay", 1});
  const int64_t after_own = *catalog_->ChangeCounter();
  EXPECT_NE(after_own, before);
  ASSERT_TRUE(other->Put(Kind::kModel, {"delay", 2}, {}, {}).ok());
  EXPECT_NE(*catalog_->ChangeCounter(), after_own);
}

TEST_F(CatalogTest, ImmutableNounsRefuseUpdates) {
  PutOrDie(Kind::kModel, {"delay", 1});
  EXPECT_TRUE(catalog_->Update(Kind::kModel, {"delay", 1}, 1, {}).status().IsInvalid());
}

TEST_F(CatalogTest, RefusesWhatItCouldNotReadBack) {
  json::value deep = 1;
  for (int i = 0; i < 100; ++i) deep = json::array{deep};
  EXPECT_TRUE(catalog_->Put(Kind::kRun, {"r", 1}, {{"deep", deep}}, {}).status().IsInvalid());
  EXPECT_EQ(*catalog_->Find(Kind::kRun, {"r", 1}), std::nullopt);
}

TEST_F(CatalogTest, RacingThreadsOnTwoConnectionsLoseNothing) {
  constexpr int kThreads = 4, kEach = 10;
  auto other = OpenOrDie();
  PutOrDie(Kind::kDeployment, {"delay", 1});
  std::atomic<int> lost = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Catalog* catalog = t % 2 == 0 ? catalog_.get() : other.get();
      for (int i = 0; i < kEach; ++i) {
        ASSERT_TRUE(catalog->Put(Kind::kModel, {"delay", 0}, {}, {}).ok());
        for (;;) {
          const CatalogEntry entry = *catalog->Get(Kind::kDeployment, {"delay", 1});
          const json::object next{{"count", entry.revision}};
          const auto updated =
              catalog->Update(Kind::kDeployment, {"delay", 1}, entry.revision, next);
          if (updated.ok()) break;
          ASSERT_TRUE(updated.status().IsCancelled()) << updated.status();
          ++lost;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(catalog_->List(Kind::kModel)->size(), kThreads * kEach);
  EXPECT_EQ(catalog_->Get(Kind::kModel, {"delay", 0})->ref.version, kThreads * kEach);
  EXPECT_EQ(catalog_->Get(Kind::kDeployment, {"delay", 1})->revision, 1 + kThreads * kEach);
}

TEST_F(CatalogTest, ProcessesOpenOneNewFileAtOnceAndShareIt) {
  const std::string path = folder_ / "shared.db";
  constexpr int kProcesses = 4, kEach = 5;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto catalog = Catalog::Open(path, SystemClock());
      bool good = catalog.ok();
      for (int i = 0; good && i < kEach; ++i) {
        good = (*catalog)->Put(Kind::kModel, {"delay", 0}, {}, {}).ok();
      }
      ::_exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  auto catalog = *Catalog::Open(path, &clock_);
  EXPECT_EQ(catalog->List(Kind::kModel)->size(), kProcesses * kEach);
}

TEST_F(CatalogTest, RefusesFilesThatAreNotItsOwn) {
  const std::string garbage = folder_ / "garbage.db";
  std::ofstream(garbage) << std::string(8192, 'x');
  EXPECT_TRUE(Catalog::Open(garbage, &clock_).status().IsIOError());

  const std::string foreign = folder_ / "foreign.db";
  sqlite3* connection = nullptr;
  sqlite3_open(foreign.c_str(), &connection);
  sqlite3_exec(connection, "CREATE TABLE t (x)", nullptr, nullptr, nullptr);
  sqlite3_close(connection);
  EXPECT_THAT(Catalog::Open(foreign, &clock_).status().message(),
              HasSubstr("not a Tercet catalog"));

  catalog_.reset();
  sqlite3_open(path_.c_str(), &connection);
  sqlite3_exec(connection, "PRAGMA user_version = 99", nullptr, nullptr, nullptr);
  sqlite3_close(connection);
  const Status newer = Catalog::Open(path_, &clock_).status();
  EXPECT_TRUE(newer.IsIOError());
  EXPECT_THAT(newer.message(), HasSubstr("newer"));
  EXPECT_TRUE(Catalog::Open(folder_ / "no" / "such.db", &clock_).status().IsIOError());
}

TEST_F(CatalogTest, ADamagedFileIsAnIOError) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(catalog_->Put(Kind::kModel, {"delay", 0}, {{"x", std::string(500, 'x')}}, {}).ok());
  }
  catalog_.reset();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    for (int page = 2; page < 20; ++page) {
      file.seekp(page * 4096);
      file << std::string(2000, '\xff');
    }
  }
  Result<std::unique_ptr<Catalog>> damaged = Catalog::Open(path_, &clock_);
  if (!damaged.ok()) {
    EXPECT_TRUE(damaged.status().IsIOError());
    return;
  }
  EXPECT_TRUE((*damaged)->List(Kind::kModel).status().IsIOError());
}

}  // namespace
}  // namespace tercet
