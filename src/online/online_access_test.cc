#include "online/online_access.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <arrow/api.h>

#include "base/file_system.h"
#include "base/id.h"

namespace tercet {
namespace {

constexpr int64_t kKeys = 20'000;
constexpr int64_t kBatchKeys = 5'000;
constexpr int64_t kLong = 60'000'000;
const Ref kGroup{"g", 1};

FeatureGroupDefinition Definition() {
  FeatureGroupDefinition definition;
  definition.name = "g";
  definition.primary_key = {"id"};
  definition.online = true;
  definition.schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", arrow::int64())});
  return definition;
}

/// Commit v sets every key's value to v. Stands for an offline table that any process can read.
class Commits : public arrow::RecordBatchReader {
 public:
  Commits(int64_t since, int64_t until, int64_t kill_after_batches)
      : commit_(since + 1), until_(until), kill_after_batches_(kill_after_batches) {
    arrow::FieldVector fields = Definition().schema->fields();
    fields.push_back(arrow::field("_change_type", arrow::utf8()));
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    schema_ = arrow::schema(fields);
  }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    if (commit_ > until_) return Status::OK();
    if (kill_after_batches_-- == 0) ::kill(::getpid(), SIGKILL);
    arrow::Int64Builder id, value;
    arrow::StringBuilder type;
    for (int64_t i = 0; i < kBatchKeys; ++i) {
      ARROW_RETURN_NOT_OK(id.Append(first_ + i));
      ARROW_RETURN_NOT_OK(value.Append(commit_));
      ARROW_RETURN_NOT_OK(type.Append("insert"));
    }
    ARROW_ASSIGN_OR_RAISE(const auto ids, id.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto values, value.Finish());
    ARROW_ASSIGN_OR_RAISE(const auto types, type.Finish());
    *batch = arrow::RecordBatch::Make(schema_, kBatchKeys, {ids, values, types, values});
    first_ += kBatchKeys;
    if (first_ == kKeys) {
      first_ = 0;
      ++commit_;
    }
    return Status::OK();
  }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  int64_t commit_, until_, kill_after_batches_, first_ = 0;
};

struct Behaviour {
  int64_t kill_after_batches = -1;
  bool hang = false;
};

OnlineAccess::Sync MakeSync(const std::string& directory, Behaviour behaviour = {}) {
  return [=](OnlineStore* store, const Ref& group, int64_t) -> Status {
    if (group != kGroup) return Status::KeyError("no group '", group.ToText(), "'");
    std::ofstream(directory + "/syncing") << "yes";
    if (behaviour.hang) std::this_thread::sleep_for(std::chrono::hours(1));
    int64_t head = 0;
    std::ifstream(directory + "/head") >> head;
    ARROW_RETURN_NOT_OK(store->Define(Definition()));
    ARROW_ASSIGN_OR_RAISE(const int64_t applied, store->AppliedVersion(group));
    if (applied >= head) return Status::OK();
    return store
        ->Apply(group,
                std::make_shared<Commits>(std::max<int64_t>(applied, 0), head,
                                          behaviour.kill_after_batches),
                head)
        .status();
  };
}

class OnlineAccessTest : public ::testing::Test {
 protected:
  OnlineAccessTest()
      : directory_(std::filesystem::temp_directory_path() / ("tercet-access-" + NewUuid())) {
    std::filesystem::create_directories(directory_);
  }
  ~OnlineAccessTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<OnlineAccess> Make(Behaviour behaviour = {}) {
    return OnlineAccess::Make(directory_, SystemClock(), MakeSync(directory_, behaviour))
        .ValueOrDie();
  }
  void SetHead(int64_t head) { std::ofstream(directory_ + "/head") << head; }

  /// All keys' values; empty when one is not present.
  static std::vector<int64_t> Values(OnlineAccess* access) {
    arrow::Int64Builder id;
    for (int64_t i = 0; i < kKeys; ++i) EXPECT_TRUE(id.Append(i).ok());
    const auto keys = arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}),
                                               kKeys, {id.Finish().ValueOrDie()});
    const auto answers = access->Read({{.group = kGroup,
                                        .keys = keys,
                                        .event_times_us = std::vector<int64_t>(kKeys, 0),
                                        .columns = {"value"}}});
    EXPECT_TRUE(answers.ok()) << answers.status().ToString();
    if (!answers.ok()) return {};
    const auto& column = static_cast<const arrow::Int64Array&>(*(*answers)[0].rows->column(0));
    if (column.null_count() > 0) return {};
    return {column.raw_values(), column.raw_values() + kKeys};
  }

  /// This program again, as another process that owns the store (see Child below).
  pid_t StartChild(const std::string& behaviour) {
    std::filesystem::remove(directory_ + "/syncing");
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("TERCET_TEST_CHILD", directory_.c_str(), 1);
      ::setenv("TERCET_TEST_BEHAVIOUR", behaviour.c_str(), 1);
      ::execl("/proc/self/exe", "online_test", "--gtest_filter=OnlineAccessChild.*",
              "--gtest_brief=1", nullptr);
      ::_exit(127);
    }
    return child;
  }
  void WaitForSync() {
    while (!std::filesystem::exists(directory_ + "/syncing")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  static int WaitFor(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }

  const std::string directory_;
};

TEST(OnlineAccessChild, Owns) {
  const char* directory = std::getenv("TERCET_TEST_CHILD");
  if (directory == nullptr) GTEST_SKIP() << "only as another test's child";
  const std::string kind = std::getenv("TERCET_TEST_BEHAVIOUR");
  Behaviour behaviour;
  if (kind == "die") behaviour.kill_after_batches = 6;  // In the middle of the second commit.
  if (kind == "hang") behaviour.hang = true;
  auto access =
      OnlineAccess::Make(directory, SystemClock(), MakeSync(directory, behaviour)).ValueOrDie();
  EXPECT_TRUE(access->SyncTo(kGroup, 1, kLong).ok());
  std::ofstream(std::string(directory) + "/synced") << "yes";
  if (kind == "serve") std::this_thread::sleep_for(std::chrono::hours(1));
}

TEST_F(OnlineAccessTest, TheSecondReachesTheFirst) {
  SetHead(3);
  const auto owner = Make();
  const auto other = Make();
  EXPECT_FALSE(owner->owns());
  EXPECT_TRUE(*owner->IsOwner());
  EXPECT_FALSE(*other->IsOwner());
  EXPECT_EQ(*other->AppliedVersion(kGroup), -1);
  ASSERT_TRUE(other->SyncTo(kGroup, 3, kLong).ok());
  EXPECT_EQ(*owner->AppliedVersion(kGroup), 3);
  EXPECT_EQ(Values(other.get()), std::vector<int64_t>(kKeys, 3));
  EXPECT_EQ(Values(owner.get()), Values(other.get()));
  const Status unknown =
      other
          ->Read({{.group = {"h", 1},
                   .keys = arrow::RecordBatch::Make(arrow::schema({}), 0, arrow::ArrayVector())}})
          .status();
  EXPECT_TRUE(unknown.IsKeyError()) << unknown.ToString();
  ASSERT_TRUE(other->Drop(kGroup).ok());
  EXPECT_EQ(*owner->AppliedVersion(kGroup), -1);
}

TEST_F(OnlineAccessTest, AReadOfAGroupNotYetSeenSyncsIt) {
  SetHead(2);
  const auto access = Make();
  EXPECT_EQ(Values(access.get()), std::vector<int64_t>(kKeys, 2));
}

TEST_F(OnlineAccessTest, WaitingHasAnEnd) {
  SetHead(1);
  auto child = StartChild("hang");
  WaitForSync();
  const auto access = Make();
  const Status status = access->SyncTo(kGroup, 1, 50'000);
  EXPECT_TRUE(status.IsCancelled()) << status.ToString();
  ::kill(child, SIGKILL);
  WaitFor(child);
}

TEST_F(OnlineAccessTest, WhenTheOwnerClosesAnotherTakesOver) {
  SetHead(1);
  auto owner = Make();
  const auto other = Make();
  ASSERT_TRUE(*owner->IsOwner());
  ASSERT_TRUE(other->SyncTo(kGroup, 1, kLong).ok());
  owner.reset();
  SetHead(2);  // Committed while nobody owned the store: taking over catches up.
  EXPECT_EQ(Values(other.get()), std::vector<int64_t>(kKeys, 2));
  EXPECT_TRUE(other->owns());
}

TEST_F(OnlineAccessTest, KilledInTheMiddleOfApplying) {
  SetHead(3);
  const int status = WaitFor(StartChild("die"));
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  const auto access = Make();
  ASSERT_TRUE(access->SyncTo(kGroup, 3, kLong).ok());
  EXPECT_EQ(Values(access.get()), std::vector<int64_t>(kKeys, 3));
}

TEST_F(OnlineAccessTest, AppliedCommitsSurviveTheKill) {
  SetHead(1);
  const pid_t child = StartChild("serve");
  const auto access = Make();
  while (!std::filesystem::exists(directory_ + "/synced")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_FALSE(*access->IsOwner());
  EXPECT_EQ(Values(access.get()), std::vector<int64_t>(kKeys, 1));
  ::kill(child, SIGKILL);
  WaitFor(child);
  EXPECT_EQ(*access->AppliedVersion(kGroup), 1);
  EXPECT_TRUE(access->owns());
  EXPECT_EQ(Values(access.get()), std::vector<int64_t>(kKeys, 1));
}

TEST_F(OnlineAccessTest, WaitersSurviveTheOwnersDeath) {
  SetHead(2);
  const pid_t child = StartChild("hang");
  WaitForSync();
  std::vector<std::unique_ptr<OnlineAccess>> others;
  for (int i = 0; i < 3; ++i) others.push_back(Make());
  std::vector<Status> ends(others.size(), Status::UnknownError("not run"));
  std::vector<std::thread> waiters;
  for (size_t i = 0; i < others.size(); ++i) {
    waiters.emplace_back([&, i] { ends[i] = others[i]->SyncTo(kGroup, 2, kLong); });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ::kill(child, SIGKILL);
  WaitFor(child);
  for (std::thread& waiter : waiters) waiter.join();
  int owners = 0;
  for (size_t i = 0; i < others.size(); ++i) {
    EXPECT_TRUE(ends[i].ok()) << ends[i].ToString();
    owners += others[i]->owns();
    EXPECT_EQ(Values(others[i].get()), std::vector<int64_t>(kKeys, 2));
  }
  EXPECT_EQ(owners, 1);
}

TEST_F(OnlineAccessTest, AForkedChildIsAClientOfItsParent) {
  SetHead(1);
  const auto access = Make();
  ASSERT_TRUE(access->SyncTo(kGroup, 1, kLong).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    const bool fine = !access->owns() && access->AppliedVersion(kGroup).ValueOr(-1) == 1 &&
                      !access->owns() && Values(access.get()).size() == kKeys;
    ::_exit(fine ? 0 : 1);
  }
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_TRUE(access->owns());
}

}  // namespace
}  // namespace tercet
