// kill -9 at every step of every kind of change: the table is what it was or what it was to become,
// a repetition brings it there exactly once, and a vacuum takes what the dead left. Scratch files
// have no names, so nothing is left of them to begin with.
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test_disk.h"
#include "offline/table_folder.h"
#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;

constexpr int64_t kYearUs = 365LL * 86'400 * 1'000'000;
constexpr int kDone = 7;  // the child's exit code when it was not killed

/// The local disk, on which this process dies at its nth step that changes something.
class DeadlyFileSystem : public TestDisk {
 public:
  explicit DeadlyFileSystem(int64_t steps) : left_(steps) {}

  Status MakeDirectory(const std::string& path) override {
    Step();
    return disk_->MakeDirectory(path);
  }
  Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& path) override {
    Step();
    ARROW_ASSIGN_OR_RAISE(auto file, disk_->Create(path));
    Step();  // an empty file
    return file;
  }
  Status SyncFile(const std::string& path) override {
    Step();  // a whole file that no commit names
    return disk_->SyncFile(path);
  }
  Status SyncDirectory(const std::string& path) override {
    Step();
    return disk_->SyncDirectory(path);
  }
  Status PutIfAbsent(const std::string& path, std::string_view bytes,
                     int64_t modified_us) override {
    LeaveHalf(path, bytes);
    ARROW_RETURN_NOT_OK(disk_->PutIfAbsent(path, bytes, modified_us));
    Step();  // committed, and nobody knows
    return Status::OK();
  }
  Status Replace(const std::string& path, std::string_view bytes) override {
    LeaveHalf(path, bytes);
    ARROW_RETURN_NOT_OK(disk_->Replace(path, bytes));
    Step();
    return Status::OK();
  }
  Status Remove(const std::string& path) override {
    Step();
    return disk_->Remove(path);
  }
  Status RemoveTree(const std::string& path) override {
    Step();
    return disk_->RemoveTree(path);
  }

 private:
  void Step() {
    if (left_.fetch_sub(1) == 0) ::kill(::getpid(), SIGKILL);
  }
  /// Dies with half of the temporary file on disk, or takes it away again.
  void LeaveHalf(const std::string& path, std::string_view bytes) {
    Step();
    const std::string half = path + ".tmp-half";
    std::ofstream(half) << bytes.substr(0, bytes.size() / 2);
    Step();
    std::filesystem::remove(half);
  }

  std::atomic<int64_t> left_;
};

std::shared_ptr<arrow::Schema> Schema() {
  return arrow::schema({field("key", arrow::int64()), field("value", arrow::int32())});
}

constexpr std::string_view kSpilled = "_spilled";

/// A child whose change is named so has no memory: each row is spilled.
WriteMemory MemoryOf(const std::string& change) {
  WriteMemory memory;
  if (change.ends_with(kSpilled)) memory.limit_bytes = 1;
  return memory;
}

/// One change, by its name; what the child does, and the parent again after it died.
Status Change(Table* table, const std::string& change) {
  const std::string name =
      change.substr(0, change.size() - (change.ends_with(kSpilled) ? kSpilled.size() : 0));
  const auto keys = Rows(arrow::schema({Schema()->field(0)}), "[[2], [7]]");
  if (name == "append") {
    return table
        ->Write(Reader({Rows(Schema(), "[[50, 5]]")}),
                {.mode = InsertMode::kAppend, .idempotency_key = "once"})
        .status();
  }
  if (name == "upsert") {
    return table
        ->Write(Reader({Rows(Schema(), "[[2, 9], [51, 5]]")}), {.idempotency_key = "once"})
        .status();
  }
  if (name == "delete") return table->Delete(Reader({keys})).status();
  if (name == "compact") return table->Compact().status();
  if (name == "vacuum") return table->Vacuum({.retention_us = 0}, {}).status();
  if (name == "erase") return table->Erase(keys).status();
  const Status altered = table
                             ->Alter({.add = {field("score", arrow::float64())},
                                      .defaults = {{"score", arrow::MakeScalar(1.5)}}})
                             .status();
  return altered.IsAlreadyExists() ? Status::OK() : altered;
}

class Killed : public ::testing::TestWithParam<std::string> {
 protected:
  Killed() {
    const auto table = Value(Table::Create(LocalFileSystem(), Template(), Schema(),
                                           {.primary_key = {"key"}}, &clock_));
    SetProperties(Template(), {{"tercet.max_file_rows", "12"},
                               {"tercet.copy_on_write_rows", "2"},
                               {"delta.logRetentionDuration", "interval 0 seconds"},
                               {"delta.checkpointInterval", "3"}});
    const auto put = [&](const std::string& rows) {
      Value(table->Write(Reader({Rows(Schema(), rows)}), {}));
    };
    put("[[1, 1], [2, 1], [3, 1], [4, 1], [5, 1], [6, 1], [7, 1], [8, 1]]");
    put("[[3, 2], [20, 2]]");
    put("[[1, 3]]");
  }

  std::string Template() const { return folder_.Join("template"); }
  std::shared_ptr<Table> Open(const std::string& path) {
    return Value(Table::Open(LocalFileSystem(), path, {}, &clock_));
  }
  std::string CopyTemplate(const std::string& name) {
    const std::string path = folder_.Join(name);
    std::filesystem::copy(Template(), path, std::filesystem::copy_options::recursive);
    return path;
  }
  /// Whether the child was killed; else it came to the end.
  bool RunChild(const std::string& path, const std::string& change, int64_t steps) {
    clock_.Advance(1'000'000);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setenv("TERCET_TEST_TABLE", path.c_str(), 1);
      ::setenv("TERCET_TEST_CHANGE", change.c_str(), 1);
      ::setenv("TERCET_TEST_STEPS", std::to_string(steps).c_str(), 1);
      ::setenv("TERCET_TEST_NOW", std::to_string(clock_.NowMicros()).c_str(), 1);
      const int quiet = ::open("/dev/null", O_WRONLY);
      ::dup2(quiet, STDOUT_FILENO);
      ::execl("/proc/self/exe", "offline_test", "--gtest_also_run_disabled_tests",
              "--gtest_filter=KilledChild.DISABLED_Changes", nullptr);
      ::_exit(127);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
      EXPECT_EQ(WTERMSIG(status), SIGKILL);
      return true;
    }
    EXPECT_EQ(WEXITSTATUS(status), kDone);
    return false;
  }
  static int64_t RowsStored(Table* table) {
    return Value(table->Head())->row_count().value_or(-1);
  }

  TestFolder folder_;
  ManualClock clock_{SystemClock()->NowMicros() + kYearUs};  // so that leftovers are old
};

TEST(KilledChild, DISABLED_Changes) {
  const ManualClock clock{std::atoll(std::getenv("TERCET_TEST_NOW"))};
  const auto disk =
      std::make_shared<DeadlyFileSystem>(std::atoll(std::getenv("TERCET_TEST_STEPS")));
  const auto table = Value(Table::Open(disk, std::getenv("TERCET_TEST_TABLE"), {}, &clock,
                                       MemoryOf(std::getenv("TERCET_TEST_CHANGE"))));
  const Status changed = Change(table.get(), std::getenv("TERCET_TEST_CHANGE"));
  ::_exit(changed.ok() ? kDone : 1);
}

TEST_P(Killed, AtAnyStep) {
  const std::string& change = GetParam();
  const auto before = ScanAll(Value(Open(Template())->Head()).get());
  const std::string whole = CopyTemplate("whole");
  ASSERT_OK(Change(Open(whole).get(), change));
  const auto after = ScanAll(Value(Open(whole)->Head()).get());
  const int64_t stored = RowsStored(Open(whole).get());
  int64_t steps = 0;
  for (bool killed = true; killed; ++steps) {
    SCOPED_TRACE(change + " killed at step " + std::to_string(steps));
    const std::string path = CopyTemplate("t" + std::to_string(steps));
    killed = RunChild(path, change, steps);
    auto table = Open(path);
    const auto found = ScanAll(Value(table->Head()).get());
    EXPECT_TRUE(found->Equals(*before) || found->Equals(*after)) << found->ToString();
    ASSERT_OK(table->Commits());
    clock_.Advance(1'000'000);
    ASSERT_OK(Change(table.get(), change));
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *after);
    EXPECT_EQ(RowsStored(table.get()), stored);  // once, not twice

    clock_.Advance(1'000'000);
    ASSERT_OK(table->Vacuum({.retention_us = 0}, {}));
    table = Open(path);
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *after);
    std::set<std::string> live;
    const DeltaLog log(LocalFileSystem(), path);
    ASSERT_OK(AddLiveFiles(*Value(log.Load(std::nullopt, {})), &live));
    for (const FileInfo& file : Value(ListTableFiles(LocalFileSystem().get(), path))) {
      EXPECT_TRUE(live.contains(file.name)) << file.name << " is left over";
    }
    for (const FileInfo& file : Value(LocalFileSystem()->List(log.path()))) {
      EXPECT_EQ(file.name.find(".tmp-"), std::string::npos) << file.name;
    }
    std::filesystem::remove_all(path);
  }
  EXPECT_GT(steps, 3);
}

INSTANTIATE_TEST_SUITE_P(Every, Killed,
                         ::testing::Values("append", "upsert", "delete", "compact", "vacuum",
                                           "erase", "alter", "upsert_spilled", "delete_spilled",
                                           "compact_spilled"),
                         [](const auto& of) { return of.param; });

}  // namespace
}  // namespace tercet
