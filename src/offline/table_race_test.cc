// Many writers on one table: threads, processes, and processes that are killed.
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arrow/builder.h>

#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;

std::shared_ptr<arrow::Schema> Schema() {
  return arrow::schema({field("key", arrow::int64()), field("writer", arrow::int64()),
                        field("value", arrow::int64())});
}

std::shared_ptr<arrow::RecordBatch> Batch(const std::vector<int64_t>& keys, int64_t writer,
                                          int64_t value) {
  arrow::Int64Builder key, by, what;
  for (const int64_t k : keys) {
    EXPECT_TRUE(key.Append(k).ok() && by.Append(writer).ok() && what.Append(value).ok());
  }
  return arrow::RecordBatch::Make(
      Schema(), static_cast<int64_t>(keys.size()),
      {Value(key.Finish()), Value(by.Finish()), Value(what.Finish())});
}

std::shared_ptr<Table> Open(const std::string& path) {
  return Value(Table::Open(LocalFileSystem(), path, {}, SystemClock()));
}

/// Each writer upserts shared keys and appends one of its own, then says which commit it was.
void WriteRounds(const std::string& path, int64_t writer, int rounds,
                 const std::function<void(int64_t version)>& acknowledged) {
  const auto table = Open(path);
  std::mt19937 random(static_cast<uint32_t>(writer));
  for (int round = 0; round < rounds; ++round) {
    std::vector<int64_t> keys;
    for (int64_t key = 0; key < 10; ++key) {
      if (random() % 2 == 0) keys.push_back(key);
    }
    keys.push_back(1'000'000 * (writer + 1) + round);
    const Commit commit = Value(table->Write(Reader({Batch(keys, writer, round)}), {}));
    acknowledged(commit.version);
    if (round % 5 == 4) Value(table->Compact());
  }
}

void ExpectWhole(const std::string& path, int64_t writers, int64_t rounds) {
  const auto table = Open(path);
  const auto head = Value(table->Head());
  const auto rows = ScanAll(head.get());
  const auto& keys = static_cast<const arrow::Int64Array&>(*rows->column(0));
  int64_t own = 0, last = -1;
  for (int64_t i = 0; i < rows->num_rows(); ++i) {
    EXPECT_GT(keys.Value(i), last) << "a key comes twice";
    last = keys.Value(i);
    own += last >= 1'000'000;
  }
  EXPECT_EQ(own, writers * rounds) << "a row was lost";
  EXPECT_EQ(head->row_count(), rows->num_rows()) << "a duplicate is stored";
}

std::string MakeTable(const TestFolder& folder) {
  const std::string path = folder.Join("t");
  Value(Table::Create(LocalFileSystem(), path, Schema(), {.primary_key = {"key"}}, SystemClock()));
  SetProperties(path, {{"tercet.max_file_rows", "8"}, {"tercet.copy_on_write_rows", "4"},
                       {"delta.checkpointInterval", "4"}});
  return path;
}

TEST(TableRace, ThreadsLoseNothing) {
  TestFolder folder;
  const std::string path = MakeTable(folder);
  std::vector<std::thread> threads;
  for (int64_t writer = 0; writer < 4; ++writer) {
    threads.emplace_back([&, writer] { WriteRounds(path, writer, 10, [](int64_t) {}); });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectWhole(path, 4, 10);
}

TEST(TableRace, ThreadsOnOneHandle) {
  TestFolder folder;
  const auto table = Open(MakeTable(folder));
  std::vector<std::thread> threads;
  for (int64_t writer = 0; writer < 4; ++writer) {
    threads.emplace_back([&, writer] {
      for (int64_t round = 0; round < 10; ++round) {
        const auto batch = Batch({1'000'000 * (writer + 1) + round}, writer, round);
        Value(table->Write(Reader({batch}), {.mode = InsertMode::kAppend, .idempotency_key = ""}));
        ScanAll(Value(table->Head()).get());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectWhole(table->path(), 4, 10);
}

/// Runs this program again as a writer; its acknowledgements come through the pipe.
struct Child {
  pid_t pid;
  int pipe;
};

Child StartWriter(const std::string& path, int64_t writer, int rounds) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const std::string fd = std::to_string(ends[1]), by = std::to_string(writer),
                    count = std::to_string(rounds);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    ::setenv("TERCET_TEST_TABLE", path.c_str(), 1);
    ::setenv("TERCET_TEST_PIPE", fd.c_str(), 1);
    ::setenv("TERCET_TEST_WRITER", by.c_str(), 1);
    ::setenv("TERCET_TEST_ROUNDS", count.c_str(), 1);
    const int quiet = ::open("/dev/null", O_WRONLY);
    ::dup2(quiet, STDOUT_FILENO);
    ::execl("/proc/self/exe", "offline_test", "--gtest_also_run_disabled_tests",
            "--gtest_filter=TableRaceChild.DISABLED_Writes", nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

TEST(TableRaceChild, DISABLED_Writes) {
  const int pipe = std::atoi(std::getenv("TERCET_TEST_PIPE"));
  WriteRounds(std::getenv("TERCET_TEST_TABLE"), std::atoll(std::getenv("TERCET_TEST_WRITER")),
              std::atoi(std::getenv("TERCET_TEST_ROUNDS")), [&](int64_t version) {
                EXPECT_EQ(::write(pipe, &version, sizeof(version)),
                          static_cast<ssize_t>(sizeof(version)));
              });
}

TEST(TableRace, ProcessesLoseNothing) {
  TestFolder folder;
  const std::string path = MakeTable(folder);
  std::vector<Child> children;
  for (int64_t writer = 0; writer < 3; ++writer) children.push_back(StartWriter(path, writer, 8));
  for (const Child& child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child.pid, &status, 0), child.pid);
    EXPECT_EQ(status, 0);
    ::close(child.pipe);
  }
  ExpectWhole(path, 3, 8);
}

TEST(TableRace, KilledWritersLeaveWhatTheyWereToldIsSafe) {
  TestFolder folder;
  const std::string path = MakeTable(folder);
  std::mt19937 random(7);
  for (int64_t writer = 0; writer < 6; ++writer) {
    const Child child = StartWriter(path, writer, 1000);
    // It is killed some time after its first commit.
    int64_t version = 0, newest = -1;
    ASSERT_EQ(::read(child.pipe, &version, sizeof(version)), static_cast<ssize_t>(sizeof(version)));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    ::kill(child.pid, SIGKILL);
    int64_t acknowledged = 0;
    do {
      newest = version;
      ++acknowledged;
    } while (::read(child.pipe, &version, sizeof(version)) ==
             static_cast<ssize_t>(sizeof(version)));
    int status = 0;
    ASSERT_EQ(::waitpid(child.pid, &status, 0), child.pid);
    EXPECT_TRUE(WIFSIGNALED(status));
    ::close(child.pipe);

    const auto table = Open(path);
    const auto head = Value(table->Head());
    EXPECT_GE(head->version(), newest);
    const auto rows = ScanAll(head.get());
    const auto& keys = static_cast<const arrow::Int64Array&>(*rows->column(0));
    int64_t own = 0;
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      own += keys.Value(i) / 1'000'000 == writer + 1;
    }
    EXPECT_GE(own, acknowledged);
    EXPECT_LE(own, acknowledged + 1);
    EXPECT_EQ(head->row_count(), rows->num_rows());
  }
}

}  // namespace
}  // namespace tercet
