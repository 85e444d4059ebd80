// A disk that fails: a write either commits, or leaves the table and its folder as they were.
#include <set>

#include <arrow/io/memory.h>

#include "base/test_disk.h"
#include "offline/deletion_vector.h"
#include "offline/delta_log.h"
#include "offline/table_test_rows.h"

namespace tercet {
namespace {

using arrow::field;

/// A local disk that fails from its nth operation on, or is full after n bytes.
class FaultyFileSystem : public TestDisk {
 public:
  /// kBlind: nothing can be read once a file was put; kUnknown: and nobody knows whether it was.
  enum class Fault { kNone, kSync, kFull, kLostAnswer, kBlind, kUnknown };

  void Arm(Fault fault, int64_t after) {
    fault_ = fault;
    left_ = after;
    hit_ = false;
  }
  bool hit() const { return hit_; }

  Result<FileInfo> Stat(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckSight());
    return disk_->Stat(path);
  }
  Result<bool> Exists(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckSight());
    return disk_->Exists(path);
  }
  Result<std::string> ReadFile(const std::string& path) override {
    ARROW_RETURN_NOT_OK(CheckSight());
    return disk_->ReadFile(path);
  }
  Result<std::shared_ptr<arrow::io::OutputStream>> Create(const std::string& path) override {
    ARROW_ASSIGN_OR_RAISE(auto file, disk_->Create(path));
    return std::make_shared<Stream>(this, std::move(file));
  }
  Status SyncFile(const std::string& path) override {
    ARROW_RETURN_NOT_OK(Count(Fault::kSync, 1));
    return disk_->SyncFile(path);
  }
  Status SyncDirectory(const std::string& path) override {
    ARROW_RETURN_NOT_OK(Count(Fault::kSync, 1));
    return disk_->SyncDirectory(path);
  }
  Status PutIfAbsent(const std::string& path, std::string_view bytes,
                     int64_t modified_us) override {
    ARROW_RETURN_NOT_OK(Count(Fault::kFull, static_cast<int64_t>(bytes.size())));
    ARROW_RETURN_NOT_OK(Count(Fault::kSync, 1));
    ARROW_RETURN_NOT_OK(disk_->PutIfAbsent(path, bytes, modified_us));
    if (fault_ == Fault::kBlind || fault_ == Fault::kUnknown) hit_ = true;
    if (fault_ == Fault::kUnknown) return WithUnknownOutcome(Status::IOError("no answer"));
    // The bytes are there, but the caller hears otherwise.
    return Count(Fault::kLostAnswer, 1);
  }
  Status Replace(const std::string& path, std::string_view bytes) override {
    ARROW_RETURN_NOT_OK(Count(Fault::kFull, static_cast<int64_t>(bytes.size())));
    return disk_->Replace(path, bytes);
  }

 private:
  class Stream : public arrow::io::OutputStream {
   public:
    Stream(FaultyFileSystem* faults, std::shared_ptr<arrow::io::OutputStream> file)
        : faults_(faults), file_(std::move(file)) {}
    Status Close() override { return file_->Close(); }
    bool closed() const override { return file_->closed(); }
    Result<int64_t> Tell() const override { return file_->Tell(); }
    using arrow::io::OutputStream::Write;
    Status Write(const void* data, int64_t size) override {
      ARROW_RETURN_NOT_OK(faults_->Count(Fault::kFull, size));
      return file_->Write(data, size);
    }

   private:
    FaultyFileSystem* faults_;
    std::shared_ptr<arrow::io::OutputStream> file_;
  };

  Status Count(Fault fault, int64_t amount) {
    if (fault != fault_) return Status::OK();
    left_ -= amount;
    if (left_ >= 0) return Status::OK();
    hit_ = true;
    return Status::IOError("cannot write: No space left on device");
  }

  Status CheckSight() const {
    const bool blind = hit_ && (fault_ == Fault::kBlind || fault_ == Fault::kUnknown);
    return blind ? Status::IOError("cannot read: Input/output error") : Status::OK();
  }

  Fault fault_ = Fault::kNone;
  std::atomic<int64_t> left_{0};
  std::atomic<bool> hit_{false};
};

using Fault = FaultyFileSystem::Fault;

class TableFault : public ::testing::Test {
 protected:
  TableFault() {
    schema_ = arrow::schema({field("key", arrow::int64()), field("value", arrow::int64())});
    Value(Table::Create(LocalFileSystem(), path_, schema_, {.primary_key = {"key"}}, &clock_));
    SetProperties(path_, {{"tercet.max_file_rows", "4"}, {"tercet.copy_on_write_rows", "2"}});
    table_ = Value(Table::Open(disk_, path_, {}, &clock_));
    Value(Put("[[1, 1], [2, 1], [3, 1], [4, 1], [5, 1], [6, 1], [7, 1], [8, 1]]"));
  }

  Result<Commit> Put(const std::string& text) {
    return table_->Write(Reader({Rows(schema_, text)}), {});
  }

  /// All files of the table that no commit names.
  std::vector<std::string> Strays() {
    const DeltaLog log(LocalFileSystem(), path_);
    std::set<std::string> named;
    for (const int64_t version : Value(log.Versions())) {
      for (const Action& action : Value(log.ReadCommit(version)).actions) {
        if (const auto* change = std::get_if<ChangeFile>(&action)) named.insert(change->path);
        const auto* add = std::get_if<AddFile>(&action);
        if (add == nullptr) continue;
        named.insert(add->path);
        if (add->vector && add->vector->storage_type == "u") {
          named.insert(Value(VectorPath(*add->vector)));
        }
      }
    }
    std::vector<std::string> strays;
    for (const std::string folder : {"", "_change_data/", "_delta_log/"}) {
      for (const FileInfo& file : Value(LocalFileSystem()->List(JoinPath(path_, folder)))) {
        const bool log_file = folder == "_delta_log/" && file.name.size() == 25;
        if (!file.is_directory && !log_file && !named.contains(folder + file.name)) {
          strays.push_back(folder + file.name);
        }
      }
    }
    return strays;
  }

  std::shared_ptr<arrow::RecordBatch> Truth() {
    const auto table = Value(Table::Open(LocalFileSystem(), path_, {}, &clock_));
    return ScanAll(Value(table->Head()).get());
  }

  /// Tries the change with the fault at every point, until it no longer happens.
  void Everywhere(Fault fault, int64_t step, const std::function<Result<Commit>()>& change,
                  const std::function<void()>& undo) {
    for (int64_t after = 0;; after += step) {
      SCOPED_TRACE("fault after " + std::to_string(after));
      const auto before = Truth();
      disk_->Arm(fault, after);
      const Result<Commit> done = change();
      const bool hit = disk_->hit();
      disk_->Arm(Fault::kNone, 0);
      EXPECT_EQ(Strays(), std::vector<std::string>());
      if (!done.ok()) {
        ASSERT_TRUE(hit) << done.status().ToString();
        EXPECT_TRUE(done.status().IsIOError()) << done.status().ToString();
        ExpectEqual(*Truth(), *before);
        ExpectEqual(*ScanAll(Value(table_->Head()).get()), *before);
        continue;
      }
      EXPECT_FALSE(Truth()->Equals(*before));
      if (!hit) return;
      undo();
    }
  }

  TestFolder folder_;
  ManualClock clock_{1'700'000'000'000'000};
  const std::string path_ = folder_.Join("t");
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<FaultyFileSystem> disk_ = std::make_shared<FaultyFileSystem>();
  std::shared_ptr<Table> table_;
};

TEST_F(TableFault, FullDiskInAnUpsert) {
  Everywhere(Fault::kFull, 97, [&] { return Put("[[3, 9], [20, 9]]"); }, [&] { FAIL(); });
}

TEST_F(TableFault, FailingSyncInAnUpsert) {
  Everywhere(Fault::kSync, 1, [&] { return Put("[[3, 9], [20, 9]]"); }, [&] { FAIL(); });
}

TEST_F(TableFault, FullDiskInADelete) {
  const auto keys = Rows(arrow::schema({schema_->field(0)}), "[[3], [6]]");
  Everywhere(Fault::kFull, 61, [&] { return table_->Delete(Reader({keys})); }, [&] { FAIL(); });
}

TEST_F(TableFault, FullDiskInACompaction) {
  for (int i = 0; i < 3; ++i) Value(Put("[[" + std::to_string(30 + i) + ", 9]]"));
  const auto before = Truth();
  for (int64_t after = 0;; after += 211) {
    disk_->Arm(Fault::kFull, after);
    const Result<Commit> done = table_->Compact();
    const bool hit = disk_->hit();
    disk_->Arm(Fault::kNone, 0);
    EXPECT_EQ(Strays(), std::vector<std::string>());
    ExpectEqual(*Truth(), *before);
    if (!hit) break;
    EXPECT_TRUE(done.status().IsIOError());
  }
}

TEST_F(TableFault, AnAnswerLostAfterTheCommitIsFoundOut) {
  disk_->Arm(Fault::kLostAnswer, 0);
  const Commit commit = Value(Put("[[3, 9]]"));
  disk_->Arm(Fault::kNone, 0);
  EXPECT_EQ(Value(table_->Head())->version(), commit.version);
  EXPECT_EQ(Strays(), std::vector<std::string>());
}

TEST_F(TableFault, ACommitStandsThoughTheTableCannotBeReadAfterIt) {
  disk_->Arm(Fault::kBlind, 0);
  const Commit commit = Value(Put("[[3, 9]]"));
  disk_->Arm(Fault::kNone, 0);
  EXPECT_EQ(Value(table_->Head())->version(), commit.version);
  EXPECT_EQ(Strays(), std::vector<std::string>());
}

TEST_F(TableFault, AnUnknownOutcomeIsToldThoughNothingCanBeFoundOut) {
  disk_->Arm(Fault::kUnknown, 0);
  const auto committed = DeltaLog(disk_, path_).TryCommit(9, {}, 0, "mine");
  disk_->Arm(Fault::kNone, 0);
  EXPECT_TRUE(HasUnknownOutcome(committed.status())) << committed.status().ToString();
}

class Damage : public TableFault {
 protected:
  /// The first file of the table with this ending.
  std::string FileEndingIn(const std::string& folder, const std::string& ending) {
    for (const FileInfo& file : Value(LocalFileSystem()->List(JoinPath(path_, folder)))) {
      if (file.name.ends_with(ending)) return JoinPath(JoinPath(path_, folder), file.name);
    }
    ADD_FAILURE() << "no " << ending;
    return "";
  }
  void Cut(const std::string& path, double share) {
    const auto size = std::filesystem::file_size(path);
    std::filesystem::resize_file(path, static_cast<uintmax_t>(static_cast<double>(size) * share));
  }
  Status Read() {
    ARROW_ASSIGN_OR_RAISE(const auto table, Table::Open(LocalFileSystem(), path_, {}, &clock_));
    ARROW_ASSIGN_OR_RAISE(const auto head, table->Head());
    ARROW_ASSIGN_OR_RAISE(const auto reader, head->Scan({}));
    return reader->ToTable().status();
  }
  void ExpectDamage(const std::string& path) {
    const Status status = Read();
    EXPECT_TRUE(status.IsIOError()) << status.ToString();
    EXPECT_NE(status.message().find(path), std::string::npos) << status.ToString();
  }
};

TEST_F(Damage, OfADataFileIsNamed) {
  const std::string file = FileEndingIn("", ".parquet");
  for (const double share : {0.9, 0.5, 0.0}) {
    Cut(file, share);
    ExpectDamage(file);
  }
  std::filesystem::remove(file);
  ExpectDamage(file);
}

TEST_F(Damage, OfACommitIsNamed) {
  const std::string file = DeltaLog(LocalFileSystem(), path_).CommitPath(2);
  Cut(file, 0.5);
  ExpectDamage(file);
}

TEST_F(Damage, AGapInTheLogIsNamed) {
  const std::string file = DeltaLog(LocalFileSystem(), path_).CommitPath(1);
  std::filesystem::remove(file);
  ExpectDamage(file);
}

TEST_F(Damage, OfACheckpointIsNamed) {
  SetProperties(path_, {{"delta.checkpointInterval", "2"}});
  Value(Put("[[30, 1]]"));
  const auto truth = Truth();
  const std::string hint = JoinPath(path_, "_delta_log/_last_checkpoint");
  Cut(hint, 0.5);  // only a hint
  ExpectEqual(*Truth(), *truth);
  const std::string file = FileEndingIn("_delta_log", ".checkpoint.parquet");
  Cut(file, 0.5);
  ExpectDamage(file);
}

TEST_F(Damage, UnknownFeaturesAreRefusedByName) {
  const DeltaLog log(LocalFileSystem(), path_);
  const auto state = Value(log.Load(std::nullopt, {}));
  Protocol protocol{.min_reader_version = 3,
                    .min_writer_version = 7,
                    .reader_features = {{"hoverCraft"}},
                    .writer_features = {{"hoverCraft"}}};
  ASSERT_TRUE(Value(log.TryCommit(state->version + 1, {protocol}, 0, "none")));
  const Status status = Read();
  EXPECT_TRUE(status.IsNotImplemented());
  EXPECT_NE(status.message().find("hoverCraft"), std::string::npos);
}

}  // namespace
}  // namespace tercet
