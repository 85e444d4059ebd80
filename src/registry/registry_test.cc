#include "registry/registry.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/test_disk.h"
#include "catalog/test_catalog.h"
#include "registry/file_lock.h"
#include "registry/model_path.h"

namespace tercet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Fails the nth call that changes the disk, as a full one would.
class FullDisk : public TestDisk {
 public:
  int calls_left = std::numeric_limits<int>::max();
  Status MakeDirectory(const std::string& p) override {
    return Try([&] { return disk_->MakeDirectory(p); });
  }
  Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& p) override {
    ARROW_RETURN_NOT_OK(Try([] { return Status::OK(); }));
    return disk_->Create(p);
  }
  Status SyncFile(const std::string& p) override { return Try([&] { return disk_->SyncFile(p); }); }
  Status SyncDirectory(const std::string& p) override {
    return Try([&] { return disk_->SyncDirectory(p); });
  }
  Status PutIfAbsent(const std::string& p, std::string_view b, int64_t m) override {
    return Try([&] { return disk_->PutIfAbsent(p, b, m); });
  }
  Status Replace(const std::string& p, std::string_view b) override {
    return Try([&] { return disk_->Replace(p, b); });
  }
  Status Rename(const std::string& a, const std::string& b) override {
    return Try([&] { return disk_->Rename(a, b); });
  }
  Status RemoveTree(const std::string& p) override {
    return calls_left > 0 ? disk_->RemoveTree(p) : Status::IOError("the disk is gone");
  }

 private:
  Status Try(const std::function<Status()>& call) {
    if (calls_left <= 0 || --calls_left == 0) return Status::IOError("no space left on device");
    return call();
  }
};

/// Lets something happen between a switch's reading and its writing.
class InterruptedCatalog : public PassingCatalog {
 public:
  InterruptedCatalog(Catalog* catalog, std::function<void()> meanwhile)
      : PassingCatalog(catalog), meanwhile_(std::move(meanwhile)) {}
  Result<CatalogEntry> Update(Kind kind, const Ref& ref, int64_t expected_revision,
                              const json::object& definition,
                              const std::optional<std::vector<NounRef>>& depends_on) override {
    if (meanwhile_) std::exchange(meanwhile_, nullptr)();
    return PassingCatalog::Update(kind, ref, expected_revision, definition, depends_on);
  }

 private:
  std::function<void()> meanwhile_;
};

class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("tercet-registry-" + NewUuid());
    std::filesystem::create_directories(root_);
    catalog_ = Catalog::Open(root_ / "catalog.db", &clock_).ValueOrDie();
    for (const Ref& group : {Ref{"weather", 1}, Ref{"weather", 2}}) {
      ASSERT_TRUE(catalog_->Put(Kind::kFeatureGroup, group, {}, {}).ok());
    }
    ASSERT_TRUE(catalog_->Put(Kind::kFeatureView, {"delay", 1}, {}, {}).ok());
    registry_ = std::make_unique<Registry>(catalog_.get(), disk_, root_, &clock_);
  }
  void TearDown() override {
    registry_.reset();
    catalog_.reset();
    std::filesystem::remove_all(root_);
  }

  static ModelDefinition Model(int64_t version = 0) {
    ModelDefinition model;
    model.name = "delay";
    model.version = version;
    model.format = ModelFormat::kXgboost;
    model.signature = {arrow::schema({arrow::field("temp", arrow::float64())}),
                       arrow::schema({arrow::field("score", arrow::float32())})};
    model.view = Ref{"delay", 1};
    return model;
  }
  /// A release of a model version, registered when it is new.
  Release ReleaseOf(int64_t model_version) {
    if (!*catalog_->Find(Kind::kModel, {"delay", model_version})) {
      EXPECT_TRUE(registry_->RegisterModel(Model(model_version), {{"model.json", "{}"}}).ok());
    }
    Release release;
    release.model = {"delay", model_version};
    release.view = {"delay", 1};
    release.feature_groups = {"weather@" + std::to_string(1 + model_version % 2)};
    release.signature = Model().signature;
    return release;
  }
  std::vector<int64_t> Numbers(const Deployment& deployment) {
    std::vector<int64_t> numbers;
    for (const auto& item : deployment.history) numbers.push_back(item.number);
    return numbers;
  }
  std::vector<std::string> FilesBelow(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file() && entry.path().filename() != ".lock") {
        names.push_back(std::filesystem::relative(entry.path(), path));
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  ManualClock clock_{1'000'000};
  std::filesystem::path root_;
  std::shared_ptr<FullDisk> disk_ = std::make_shared<FullDisk>();
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Registry> registry_;
};

TEST_F(RegistryTest, TwoWhoChangeAPolicyAtOnceUndoNothing) {
  ASSERT_TRUE(registry_->Deploy("delay", ReleaseOf(1), "me").ok());
  int calls = 0;
  const auto changed = registry_->ChangePolicy("delay", [&](const ServingPolicy& present) {
    ServingPolicy policy = present;
    policy.deadline_ms = 50;
    // Another comes between the reading and the writing.
    if (++calls == 1) EXPECT_TRUE(registry_->SetPolicy("delay", {.queue = 7}).ok());
    return policy;
  });
  ASSERT_TRUE(changed.ok()) << changed.status().ToString();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(changed->policy, (ServingPolicy{.deadline_ms = 50, .queue = 7}));
  EXPECT_EQ(registry_->GetDeployment("delay")->policy, changed->policy);
}

TEST_F(RegistryTest, RegistersFilesByContent) {
  const ModelDefinition first =
      *registry_->RegisterModel(Model(), {{"model.json", "{}"}, {"extra/vocab.txt", "a\nb"}});
  EXPECT_EQ(first.version, 1);
  EXPECT_EQ(first.files.at("model.json"), Sha256Hex("{}"));
  const std::string folder = *registry_->ModelDirectory({"delay", 1});
  EXPECT_EQ(folder, root_ / "models/delay/1");
  EXPECT_EQ(*LocalFileSystem()->ReadFile(folder + "/extra/vocab.txt"), "a\nb");
  EXPECT_THAT(FilesBelow(root_ / "models"),
              ElementsAre("delay/1/extra/vocab.txt", "delay/1/model.json"));

  const std::string source = root_ / "elsewhere.json";
  std::ofstream(source) << "[1]";
  const ModelDefinition second = *registry_->RegisterModelFrom(Model(), {{"model.json", source}});
  EXPECT_EQ(second.version, 2);
  EXPECT_EQ(second.files.at("model.json"), Sha256Hex("[1]"));
  EXPECT_EQ(registry_->GetModel({"delay", 0})->version, 2);
  EXPECT_EQ(registry_->ListModels()->size(), 2);
  EXPECT_TRUE(registry_->ListModels("other")->empty());
  EXPECT_TRUE(registry_->RegisterModel(Model(2), {{"m", "x"}}).status().IsAlreadyExists());
  EXPECT_TRUE(registry_->RegisterModelFrom(Model(), {{"m", root_ / "no"}}).status().IsKeyError());
  EXPECT_TRUE(registry_->RegisterModelFrom(Model(), {{"m", root_}}).status().IsInvalid());
}

TEST_F(RegistryTest, RefusesPathsThatWouldEscape) {
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "./x", "a/", ".hidden",
                           "a\\b", "a\nb", "c:x", "1/2/3/4/5/6/7/8/9", "\xff"}) {
    EXPECT_TRUE(CheckModelPath(path).IsInvalid()) << path;
    EXPECT_TRUE(registry_->RegisterModel(Model(), {{path, "x"}}).status().IsInvalid()) << path;
  }
  EXPECT_TRUE(CheckModelPath("weights/layer 1.bin").ok());
  ModelDefinition bad = Model();
  bad.name = "../delay";
  EXPECT_TRUE(registry_->RegisterModel(bad, {{"m", "x"}}).status().IsInvalid());
  bad = Model();
  bad.signature = {};
  EXPECT_THAT(registry_->RegisterModel(bad, {{"m", "x"}}).status().message(),
              HasSubstr("no signature"));
  EXPECT_TRUE(registry_->RegisterModel(Model(), {}).status().IsInvalid());
  bad = Model();
  bad.view = Ref{"dely", 1};
  EXPECT_THAT(registry_->RegisterModel(bad, {{"m", "x"}}).status().message(),
              HasSubstr("did you mean 'delay'?"));
  EXPECT_TRUE(registry_->ListModels()->empty());
  EXPECT_TRUE(FilesBelow(root_ / "models").empty());
}

TEST_F(RegistryTest, AFullDiskLeavesNoModelAndTheNextRegistrationCleansUp) {
  const std::map<std::string, std::string> files = {{"model.json", "{}"}, {"a/b", "x"}};
  int failures = 0;
  for (int calls = 1;; ++calls) {
    disk_->calls_left = calls;
    const auto registered = registry_->RegisterModel(Model(), files);
    disk_->calls_left = std::numeric_limits<int>::max();
    if (registered.ok()) break;
    ++failures;
    EXPECT_TRUE(registered.status().IsIOError()) << registered.status();
    EXPECT_TRUE(registry_->ListModels()->empty());
  }
  EXPECT_GT(failures, 8);
  EXPECT_EQ(registry_->ListModels()->size(), 1);
  EXPECT_TRUE(registry_->ModelDirectory({"delay", 0}).ok());
  EXPECT_THAT(FilesBelow(root_ / "models"), ElementsAre("delay/1/a/b", "delay/1/model.json"));
}

TEST_F(RegistryTest, DamagedFilesAreNotLoaded) {
  ASSERT_TRUE(registry_->RegisterModel(Model(), {{"model.json", "{}"}}).ok());
  const std::string file = root_ / "models/delay/1/model.json";
  std::ofstream(file) << "[]";
  const Status differs = registry_->ModelDirectory({"delay", 1}).status();
  EXPECT_TRUE(differs.IsIOError());
  EXPECT_THAT(differs.message(), HasSubstr("differs from what was registered"));
  std::filesystem::remove(file);
  EXPECT_TRUE(registry_->ModelDirectory({"delay", 1}).status().IsIOError());
}

TEST_F(RegistryTest, DropsModelsThatNoReleaseNeeds) {
  const Release release = *registry_->MakeRelease(ReleaseOf(1));
  EXPECT_TRUE(registry_->DropModel({"delay", 1}).IsInvalid());
  EXPECT_TRUE(registry_->ModelDirectory({"delay", 1}).ok());
  ASSERT_TRUE(registry_->DropRelease(release.id).ok());
  ASSERT_TRUE(registry_->DropModel({"delay", 1}).ok());
  EXPECT_FALSE(std::filesystem::exists(root_ / "models/delay/1"));
  EXPECT_TRUE(registry_->GetModel({"delay", 1}).status().IsKeyError());
  EXPECT_EQ(registry_->RegisterModel(Model(), {{"m", "x"}})->version, 2);
}

TEST_F(RegistryTest, EqualReleasesAreOne) {
  const Release made = *registry_->MakeRelease(ReleaseOf(1));
  EXPECT_EQ(made.id.size(), 64);
  Release numbered = ReleaseOf(1);
  numbered.number = 5;
  EXPECT_EQ(registry_->MakeRelease(numbered)->id, made.id);
  EXPECT_NE(registry_->MakeRelease(ReleaseOf(2))->id, made.id);
  EXPECT_EQ(registry_->ListReleases()->size(), 2);
  EXPECT_EQ(registry_->GetRelease(made.id)->ContentAddress(), made.id);
  EXPECT_TRUE(registry_->GetRelease("abc").status().IsKeyError());
  Release unknown = ReleaseOf(1);
  unknown.feature_groups = {"wind@1"};
  EXPECT_TRUE(registry_->MakeRelease(unknown).status().IsKeyError());
}

TEST_F(RegistryTest, RollbacksWalkBack) {
  EXPECT_TRUE(registry_->Upgrade("delay", ReleaseOf(1), "ann").status().IsKeyError());
  EXPECT_TRUE(registry_->ListReleases()->empty());
  const Deployment first = *registry_->Deploy("delay", ReleaseOf(1), "ann");
  EXPECT_EQ(first.history[0].by, "ann");
  EXPECT_EQ(first.history[0].switched_us, 1'000'000);
  EXPECT_THAT(registry_->Rollback("delay", "ann").status().message(),
              HasSubstr("nothing was served before release 1"));
  registry_->Upgrade("delay", ReleaseOf(2), "bob").ValueOrDie();
  registry_->Deploy("delay", ReleaseOf(3), "bob").ValueOrDie();
  EXPECT_EQ(registry_->GetDeployment("delay")->history.back().action, "upgrade");
  // 1 2 3: back to 2, then to 1, then no further.
  EXPECT_EQ(registry_->Rollback("delay", "ann")->history.back().number, 2);
  const Deployment back = *registry_->Rollback("delay", "ann");
  EXPECT_EQ(back.release_id, first.release_id);
  EXPECT_EQ(back.history.back().action, "rollback");
  EXPECT_TRUE(registry_->Rollback("delay", "ann").status().IsInvalid());
  // An upgrade starts from there: 1, then 4; a release that was there keeps its number.
  EXPECT_EQ(registry_->Upgrade("delay", ReleaseOf(4), "bob")->history.back().number, 4);
  EXPECT_EQ(registry_->Rollback("delay", "ann")->release_id, first.release_id);
  EXPECT_EQ(registry_->Upgrade("delay", ReleaseOf(2), "bob")->history.back().number, 2);
  EXPECT_THAT(Numbers(*registry_->GetDeployment("delay")), ElementsAre(1, 2, 3, 2, 1, 4, 1, 2));
}

TEST_F(RegistryTest, DowngradesToANumber) {
  for (int model = 1; model <= 3; ++model) {
    registry_->Deploy("delay", ReleaseOf(model), "ann").ValueOrDie();
  }
  const Deployment down = *registry_->Downgrade("delay", 1, "ann");
  EXPECT_EQ(down.history.back().action, "downgrade");
  EXPECT_EQ(down.release_id, down.history[0].release_id);
  // To what is served already: nothing changes.
  EXPECT_EQ(registry_->Downgrade("delay", 1, "ann")->history.size(), 4);
  EXPECT_EQ(registry_->Upgrade("delay", ReleaseOf(1), "ann")->history.size(), 4);
  EXPECT_EQ(registry_->Rollback("delay", "ann")->history.back().number, 3);
  EXPECT_THAT(registry_->Downgrade("delay", 9, "ann").status().message(),
              HasSubstr("its releases are 1 to 3"));
  EXPECT_TRUE(registry_->Downgrade("dely", 1, "ann").status().IsKeyError());
}

TEST_F(RegistryTest, WhatAHistoryNeedsStays) {
  registry_->Deploy("delay", ReleaseOf(1), "ann").ValueOrDie();
  registry_->Deploy("delay", ReleaseOf(2), "ann").ValueOrDie();
  registry_->Deploy("other", ReleaseOf(2), "ann").ValueOrDie();
  // Model 1 is no longer served, but a rollback would need it.
  EXPECT_TRUE(registry_->DropModel({"delay", 1}).IsInvalid());
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureGroup, {"weather", 2}).IsInvalid());
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureView, {"delay", 1}).IsInvalid());
  ASSERT_TRUE(registry_->DropDeployment("delay").ok());
  EXPECT_TRUE(registry_->DropModel({"delay", 1}).ok());
  EXPECT_TRUE(registry_->DropModel({"delay", 2}).IsInvalid());  // the other deployment's
  EXPECT_TRUE(catalog_->Drop(Kind::kFeatureGroup, {"weather", 2}).ok());
  EXPECT_EQ(registry_->ListDeployments()->size(), 1);
  EXPECT_TRUE(registry_->DropDeployment("delay").IsKeyError());
  EXPECT_TRUE(registry_->Deploy("../x", ReleaseOf(2), "ann").status().IsInvalid());
}

TEST_F(RegistryTest, TwoWhoUndoOneUpgradeUndoOnlyThat) {
  for (int model = 1; model <= 3; ++model) {
    registry_->Deploy("delay", ReleaseOf(model), "ann").ValueOrDie();
  }
  InterruptedCatalog rolled_back(catalog_.get(), [&] {
    ASSERT_TRUE(registry_->Rollback("delay", "ann").ok());
  });
  Registry late(&rolled_back, disk_, root_, &clock_);
  EXPECT_TRUE(late.Rollback("delay", "bob").status().IsCancelled());
  EXPECT_EQ(registry_->GetDeployment("delay")->history.back().number, 2);
  // Who asks for a certain release gets it, after the other.
  InterruptedCatalog upgraded(catalog_.get(), [&] {
    ASSERT_TRUE(registry_->Upgrade("delay", ReleaseOf(4), "ann").ok());
  });
  Registry retrying(&upgraded, disk_, root_, &clock_);
  EXPECT_EQ(retrying.Downgrade("delay", 1, "bob")->history.back().number, 1);
  EXPECT_THAT(Numbers(*registry_->GetDeployment("delay")), ElementsAre(1, 2, 3, 2, 4, 1));
  InterruptedCatalog dropped(catalog_.get(), [&] {
    ASSERT_TRUE(registry_->DropDeployment("delay").ok());
  });
  Registry recreating(&dropped, disk_, root_, &clock_);
  EXPECT_EQ(recreating.Deploy("delay", ReleaseOf(2), "bob")->history.size(), 1);
}

TEST_F(RegistryTest, RacingSwitchesAreAllInTheHistory) {
  constexpr int kThreads = 4, kEach = 5;
  std::vector<Release> releases;
  for (int i = 0; i <= kThreads * kEach; ++i) {
    Release release = ReleaseOf(1);
    release.fitted_transformations = {i};
    releases.push_back(release);
  }
  registry_->Deploy("delay", releases[0], "ann").ValueOrDie();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto catalog = Catalog::Open(root_ / "catalog.db", &clock_).ValueOrDie();
      Registry registry(catalog.get(), LocalFileSystem(), root_, &clock_);
      for (int i = 0; i < kEach; ++i) {
        const auto done = registry.Upgrade("delay", releases[1 + t * kEach + i], "bob");
        ASSERT_TRUE(done.ok()) << done.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Deployment deployment = *registry_->GetDeployment("delay");
  std::vector<int64_t> expected(1 + kThreads * kEach);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(Numbers(deployment), expected);
  EXPECT_EQ(deployment.release_id, deployment.history.back().release_id);
}

TEST_F(RegistryTest, RacingRegistrationsTakeAVersionEach) {
  constexpr int kThreads = 4, kEach = 5;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      Registry registry(catalog_.get(), LocalFileSystem(), root_, &clock_);
      for (int i = 0; i < kEach; ++i) {
        const auto done = registry.RegisterModel(Model(), {{"model.json", "{}"}});
        ASSERT_TRUE(done.ok()) << done.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry_->ListModels()->size(), kThreads * kEach);
  for (const ModelDefinition& model : *registry_->ListModels()) {
    EXPECT_TRUE(registry_->ModelDirectory(model.ref()).ok());
  }
}

TEST(FileLock, IsHeldByOne) {
  const std::string path = std::filesystem::temp_directory_path() / ("tercet-lock-" + NewUuid());
  {
    const FileLock held = *FileLock::Acquire(path, 1);
    EXPECT_TRUE(FileLock::Acquire(path, 0).status().IsCancelled());
  }
  EXPECT_TRUE(FileLock::Acquire(path, 0).ok());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace tercet
