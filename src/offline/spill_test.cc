// Writes of more rows than memory may hold: equal to those of a table that has room, and within a
// hard limit of the operating system.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>

#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>

#include "base/parallel.h"
#include "base/sanitized.h"
#include "offline/table_folder.h"
#include "offline/table_test_rows.h"

extern char** environ;

namespace tercet {
namespace {

using arrow::field;

/// So little that a few dozen rows are spilled.
constexpr int64_t kTinyLimit = 4096;

std::shared_ptr<arrow::Schema> SmallSchema() {
  return arrow::schema({field("key", arrow::int64()),
                        field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
                        field("text", arrow::utf8()), field("value", arrow::float64()),
                        field("flag", arrow::boolean())});
}

/// Rows of random keys and times below `keys` and `times`; each position once with `unique`.
std::shared_ptr<arrow::RecordBatch> RandomRows(std::mt19937* random, int64_t count, int64_t keys,
                                               int64_t times, bool unique) {
  arrow::Int64Builder key;
  arrow::TimestampBuilder at(SmallSchema()->field(1)->type(), arrow::default_memory_pool());
  arrow::StringBuilder text;
  arrow::DoubleBuilder value;
  arrow::BooleanBuilder flag;
  std::set<std::pair<int64_t, int64_t>> seen;
  for (int64_t i = 0; i < count; ++i) {
    const auto k = static_cast<int64_t>((*random)() % static_cast<uint64_t>(keys));
    const auto t = static_cast<int64_t>((*random)() % static_cast<uint64_t>(times));
    if (unique && !seen.insert({k, t}).second) continue;
    const auto n = static_cast<int64_t>((*random)() % 1000);
    EXPECT_TRUE(key.Append(k).ok() && at.Append(t).ok());
    EXPECT_TRUE((n % 7 == 0 ? text.AppendNull() : text.Append("text " + std::to_string(n))).ok());
    EXPECT_TRUE(
        (n % 11 == 0 ? value.AppendNull() : value.Append(static_cast<double>(n) / 8)).ok());
    EXPECT_TRUE(flag.Append(n % 2 == 0).ok());
  }
  const int64_t rows = key.length();
  return arrow::RecordBatch::Make(
      SmallSchema(), rows,
      {key.Finish().ValueOrDie(), at.Finish().ValueOrDie(), text.Finish().ValueOrDie(),
       value.Finish().ValueOrDie(), flag.Finish().ValueOrDie()});
}

class SpillTest : public ::testing::Test {
 protected:
  std::shared_ptr<Table> Make(const std::string& name, const WriteMemory& memory) {
    const std::string path = folder_.Join(name);
    Value(Table::Create(LocalFileSystem(), path, SmallSchema(),
                        {.primary_key = {"key"}, .event_time = "at"}, &clock_));
    SetProperties(path, {{"tercet.max_file_rows", "150"},
                         {"tercet.row_group_rows", "40"},
                         {"tercet.copy_on_write_rows", "100"}});
    return Value(Table::Open(LocalFileSystem(), path, {}, &clock_, memory));
  }

  static std::vector<std::string> Folder(const Table& table) {
    std::vector<std::string> names;
    for (const FileInfo& file : Value(LocalFileSystem()->List(table.path()))) {
      if (!file.name.ends_with(".parquet") && !file.name.ends_with(".bin")) {
        names.push_back(file.name);
      }
    }
    return names;
  }

  /// All changes but for the clock's time, sorted: the rows of files that an overwrite removed come
  /// in the order of the files' random names.
  static std::shared_ptr<arrow::RecordBatch> ChangesOf(Table* table) {
    const auto changes = Collect(Value(table->Changes(0, -1)));
    const auto all = Value(changes->RemoveColumn(changes->num_columns() - 1));
    std::vector<arrow::compute::SortKey> keys;
    for (int i = all->num_columns() - 1; i >= 0; --i) keys.emplace_back(all->column_name(i));
    const auto order = Value(arrow::compute::SortIndices(
        arrow::Datum(all), arrow::compute::SortOptions(std::move(keys))));
    return Value(arrow::compute::Take(all, order)).record_batch();
  }

  TestFolder folder_;
  ManualClock clock_{1'000'000};
};

/// The same changes on a table without and one with room.
class Spill : public SpillTest, public ::testing::WithParamInterface<int> {};

TEST_P(Spill, EqualsATableWithRoom) {
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  const auto tight = Make("tight", {.limit_bytes = kTinyLimit});
  const auto roomy = Make("roomy", {});
  for (int step = 0; step < 9; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const auto rows = RandomRows(&random, 300, 60, 9, step % 3 != 0);
    const auto unlike = RandomRows(&random, 200, 90, 1000, true);
    const auto keys = Value(rows->SelectColumns(step % 2 == 0 ? std::vector<int>{0}
                                                              : std::vector<int>{0, 1}));
    std::vector<std::shared_ptr<arrow::RecordBatch>> pieces;  // as a reader gives them
    for (int64_t begin = 0; begin < rows->num_rows(); begin += 70) {
      pieces.push_back(rows->Slice(begin, 70));
    }
    std::vector<Commit> commits;
    for (Table* table : {tight.get(), roomy.get()}) {
      switch (step % 9) {
        case 0:
        case 3:
          commits.push_back(Value(table->Write(Reader(pieces), {.mode = InsertMode::kAppend})));
          break;
        case 6:
          commits.push_back(Value(table->Delete(Reader({keys->Slice(0, 150)}))));
          break;
        case 7:
          commits.push_back(Value(table->Delete(Reader({keys->Slice(20, 150)}))));
          break;
        case 5:
          commits.push_back(Value(table->Compact()));
          break;
        case 8:
          commits.push_back(
              Value(table->Write(Reader({unlike}), {.mode = InsertMode::kOverwrite})));
          break;
        case 2:
          commits.push_back(Value(table->Write(Reader({unlike}), {})));
          break;
        default:
          commits.push_back(Value(table->Write(Reader(pieces), {})));
      }
    }
    EXPECT_EQ(commits[0].rows_inserted, commits[1].rows_inserted);
    EXPECT_EQ(commits[0].rows_updated, commits[1].rows_updated);
    EXPECT_EQ(commits[0].rows_deleted, commits[1].rows_deleted);
    const auto left = Value(tight->Head()), right = Value(roomy->Head());
    ExpectEqual(*ScanAll(left.get()), *ScanAll(right.get()));
    EXPECT_EQ(left->row_count(), right->row_count());
    for (const std::string& name : Folder(*tight)) {
      EXPECT_TRUE(name.starts_with("_")) << name << " is left over";
    }
  }
  ExpectEqual(*ChangesOf(tight.get()), *ChangesOf(roomy.get()));
}

INSTANTIATE_TEST_SUITE_P(Random, Spill, ::testing::Range(0, 6));

TEST_F(SpillTest, RefusesAPositionThatComesTwice) {
  std::mt19937 random(1);
  const auto table = Make("table", {.limit_bytes = kTinyLimit});
  const auto rows = RandomRows(&random, 300, 100'000, 100'000, true);
  const auto status = table->Write(Reader({rows, rows->Slice(17, 1)}), {}).status();
  EXPECT_TRUE(status.IsInvalid()) << status.ToString();
  const auto key = static_cast<const arrow::Int64Array&>(*rows->column(0)).Value(17);
  EXPECT_NE(status.message().find("key=" + std::to_string(key)), std::string::npos)
      << status.ToString();
  EXPECT_EQ(Value(ListTableFiles(LocalFileSystem().get(), table->path())).size(), 0u);
}

TEST_F(SpillTest, TellsThatTheScratchFolderIsGone) {
  std::mt19937 random(1);
  const auto table = Make("table", {.limit_bytes = kTinyLimit,
                                    .scratch_folder = folder_.Join("nowhere")});
  const auto status =
      table->Write(Reader({RandomRows(&random, 300, 100, 100, true)}), {}).status();
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  EXPECT_NE(status.message().find("nowhere"), std::string::npos) << status.ToString();
}

TEST_F(SpillTest, LeavesNothingWhenTheDiskIsFull) {
  // RLIMIT_FSIZE makes a write fail as a full disk does: wherever it strikes, the table is as it
  // was and nothing is left in its folder.
  std::mt19937 random(1);
  const auto table = Make("table", {.limit_bytes = kTinyLimit});
  Value(table->Write(Reader({RandomRows(&random, 300, 50, 9, true)}), {}));
  const auto before = ScanAll(Value(table->Head()).get());
  const auto files = Value(ListTableFiles(LocalFileSystem().get(), table->path()));
  const auto rows = RandomRows(&random, 3000, 5000, 9, true);
  rlimit unlimited;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  int failures = 0;
  for (const rlim_t most : {100, 1000, 2500, 4000, 6000}) {
    const rlimit limit{most, unlimited.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const Status written = table->Write(Reader({rows}), {}).status();
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    if (written.ok()) break;
    ++failures;
    EXPECT_TRUE(written.IsIOError()) << written.ToString();
    ExpectEqual(*ScanAll(Value(table->Head()).get()), *before);
    EXPECT_EQ(Value(ListTableFiles(LocalFileSystem().get(), table->path())).size(), files.size());
  }
  std::signal(SIGXFSZ, ignored);
  EXPECT_GE(failures, 3);
  ASSERT_OK(table->Write(Reader({rows}), {}));
}

// -- in a process that may not have more

constexpr int64_t kLimitBytes = 64 << 20;
constexpr int64_t kRows = 2'600'000;  // of about a hundred bytes
constexpr int kFeatures = 10;

std::shared_ptr<arrow::Schema> LargeSchema() {
  arrow::FieldVector fields{field("key", arrow::int64()), field("name", arrow::utf8())};
  for (int c = 0; c < kFeatures; ++c) {
    fields.push_back(field("f" + std::to_string(c), arrow::float64()));
  }
  return arrow::schema(std::move(fields));
}

/// A number of its own for each i below 2^32, in no order; and back.
int64_t KeyOf(int64_t i) { return static_cast<uint32_t>(i) * uint32_t{2654435761}; }
int64_t NumberOf(int64_t key) { return static_cast<uint32_t>(key) * uint32_t{244002641}; }
double ValueOf(int64_t i, int c, int generation) {
  return static_cast<double>((i * 31 + c) % 100'003 + generation * 1'000'000);
}
std::string NameOf(int64_t i) { return "n" + std::to_string(i % 1000); }

/// Rows [begin, end) of a generation, made as they are read.
class Generation : public arrow::RecordBatchReader {
 public:
  Generation(int64_t begin, int64_t end, int generation)
      : next_(begin), end_(end), generation_(generation) {}

  std::shared_ptr<arrow::Schema> schema() const override { return LargeSchema(); }
  Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    *batch = nullptr;
    if (next_ == end_) return Status::OK();
    const int64_t begin = next_;
    next_ = std::min<int64_t>(next_ + 20'000, end_);
    arrow::ArrayVector columns;
    arrow::Int64Builder key;
    arrow::StringBuilder name;
    for (int64_t i = begin; i < next_; ++i) {
      ARROW_RETURN_NOT_OK(key.Append(KeyOf(i)));
      ARROW_RETURN_NOT_OK(name.Append(NameOf(i)));
    }
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), key.Finish());
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), name.Finish());
    for (int c = 0; c < kFeatures; ++c) {
      arrow::DoubleBuilder values;
      for (int64_t i = begin; i < next_; ++i) {
        ARROW_RETURN_NOT_OK((i + c) % 20 == 0 ? values.AppendNull()
                                              : values.Append(ValueOf(i, c, generation_)));
      }
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), values.Finish());
    }
    *batch = arrow::RecordBatch::Make(schema(), next_ - begin, std::move(columns));
    return Status::OK();
  }

 private:
  int64_t next_;
  const int64_t end_;
  const int generation_;
};

/// The child's part: inserts, upserts, compacts and deletes with as much memory as it may have.
TEST(BoundedWrites, DISABLED_Child) {
  const char* path = std::getenv("TERCET_TEST_TABLE");
  ASSERT_NE(path, nullptr);
  InitializeArrow();
  ASSERT_TRUE(ParallelFor(8, [](int64_t) { return Status::OK(); }).ok());  // starts the threads
  std::ifstream status("/proc/self/status");
  int64_t data_bytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmData:")) data_bytes = std::atoll(line.c_str() + 7) * 1024;
  }
  ASSERT_GT(data_bytes, 0);
  const auto limit = static_cast<rlim_t>(data_bytes + kLimitBytes);
  const rlimit most{limit, limit};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &most), 0);
  ASSERT_EQ(mmap(nullptr, static_cast<size_t>(kLimitBytes) + (1 << 20), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
            MAP_FAILED);
  ManualClock clock(1'000'000);
  const auto table = Value(Table::Open(LocalFileSystem(), path, {}, &clock,
                                       {.limit_bytes = kLimitBytes, .scratch_folder = {}}));
  const auto insert = std::make_shared<Generation>(0, kRows, 0);
  ASSERT_EQ(Value(table->Write(insert, {.mode = InsertMode::kAppend})).rows_inserted, kRows);
  const auto upsert = std::make_shared<Generation>(kRows / 2, kRows * 3 / 2, 1);
  const Commit upserted = Value(table->Write(upsert, {}));
  ASSERT_EQ(upserted.rows_updated, kRows - kRows / 2);
  ASSERT_EQ(upserted.rows_inserted, kRows * 3 / 2 - kRows);
  ASSERT_OK(table->Compact());
}

TEST(BoundedWrites, HoldUnderAHardLimit) {
#ifdef TERCET_SANITIZED
  GTEST_SKIP() << "a sanitizer's own memory counts, too";
#endif
  const TestFolder folder;
  ManualClock clock(1'000'000);
  const std::string path = folder.Join("table");
  Value(Table::Create(LocalFileSystem(), path, LargeSchema(), {.primary_key = {"key"}}, &clock));

  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> environment{"TERCET_TEST_TABLE=" + path, "TERCET_THREADS=2",
                                       // Others reserve more address space than they use, all of
                                       // which the limit would count.
                                       "ARROW_DEFAULT_MEMORY_POOL=system", "MALLOC_ARENA_MAX=1",
                                       "MALLOC_MMAP_THRESHOLD_=262144"};
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  std::vector<char*> pointers;
  for (std::string& entry : environment) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  // A thread's stack counts as it is reserved, not as it is used.
  std::string shell = "/bin/sh", option = "-c", script = "ulimit -s 1024 && exec \"$0\" \"$@\"",
              program = self, filter = "--gtest_filter=BoundedWrites.DISABLED_Child",
              disabled = "--gtest_also_run_disabled_tests", brief = "--gtest_brief=1";
  char* arguments[] = {shell.data(),  option.data(),   script.data(), program.data(),
                       filter.data(), disabled.data(), brief.data(),  nullptr};
  pid_t child = 0;
  ASSERT_EQ(posix_spawn(&child, shell.c_str(), nullptr, nullptr, arguments, pointers.data()), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child ended with " << status;

  const auto table = Value(Table::Open(LocalFileSystem(), path, {}, &clock));
  const auto head = Value(table->Head());
  EXPECT_GT(head->total_bytes(), 4 * kLimitBytes);
  EXPECT_EQ(head->row_count(), kRows * 3 / 2);
  const auto rows = Value(head->Scan({}));
  int64_t count = 0, last = -1, wrong = 0;
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ASSERT_OK(rows->ReadNext(&batch));
    if (batch == nullptr) break;
    const auto& keys = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& names = static_cast<const arrow::StringArray&>(*batch->column(1));
    for (int64_t r = 0; r < batch->num_rows(); ++r) {
      const int64_t i = NumberOf(keys.Value(r));
      wrong += keys.Value(r) <= last || i >= kRows * 3 / 2 || names.GetView(r) != NameOf(i);
      last = keys.Value(r);
      for (int c = 0; c < kFeatures; ++c) {
        const auto& values = static_cast<const arrow::DoubleArray&>(*batch->column(2 + c));
        const bool null = (i + c) % 20 == 0;
        wrong += values.IsNull(r) != null ||
                 (!null && values.Value(r) != ValueOf(i, c, i >= kRows / 2 ? 1 : 0));
      }
    }
    count += batch->num_rows();
  }
  EXPECT_EQ(count, kRows * 3 / 2);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tercet
