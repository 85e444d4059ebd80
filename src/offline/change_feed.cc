#include <algorithm>
#include <deque>
#include <iterator>
#include <map>

#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/scalar.h>

#include "offline/delta_table.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

const std::shared_ptr<arrow::DataType>& CommitTimeType() {
  static const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return type;
}

/// Rows of one file that changed in one commit.
struct ChangePiece {
  DataFilePtr file;
  const char* type = nullptr;  ///< nullptr: the file has a column that says it
  bool listed = false;         ///< only `rows`; else all that are not deleted
  DeletedRows rows;
};

DataFilePtr FileOf(const RemoveFile& remove, const TableOptions& options) {
  AddFile add;
  add.path = remove.path;
  add.partition_values = remove.partition_values;
  add.tags = remove.tags;
  add.vector = remove.vector;
  const auto file = MakeDataFile(std::move(add), options, 0, 0);
  return file.ok() ? *file : nullptr;
}

class ChangeReader : public arrow::RecordBatchReader {
 public:
  ChangeReader(std::shared_ptr<FileSystem> file_system, std::string table_path, DeltaLog log,
               TableStatePtr state, std::vector<Commit> commits)
      : file_system_(file_system),
        table_path_(table_path),
        log_(std::move(log)),
        state_(std::move(state)),
        opener_(file_system, table_path, state_->columns, state_->options),
        commits_(std::move(commits)) {
    arrow::FieldVector fields = state_->columns.logical->fields();
    fields.push_back(arrow::field("_change_type", arrow::utf8()));
    read_schema_ = arrow::schema(fields);
    fields.push_back(arrow::field("_commit_version", arrow::int64()));
    fields.push_back(arrow::field("_commit_time", CommitTimeType()));
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  Status ReadNext(BatchPtr* batch) override {
    *batch = nullptr;
    while (true) {
      if (run_ != nullptr && group_ < run_->row_groups().size()) {
        ARROW_ASSIGN_OR_RAISE(BatchPtr rows, ReadGroup(static_cast<int>(group_++)));
        if (rows->num_rows() == 0) continue;
        *batch = std::move(rows);
        return Status::OK();
      }
      run_ = nullptr;
      if (!pieces_.empty()) {
        piece_ = std::move(pieces_.front());
        pieces_.pop_front();
        ARROW_RETURN_NOT_OK(OpenPiece());
        group_ = 0;
        continue;
      }
      if (next_ == commits_.size()) return Status::OK();
      commit_ = commits_[next_++];
      ARROW_RETURN_NOT_OK(BeginCommit());
    }
  }

 private:
  Status OpenPiece() {
    Result<std::shared_ptr<RunFile>> run = opener_.Open(piece_.file);
    if (run.ok()) {
      run_ = *std::move(run);
      return Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const bool there,
                          file_system_->Exists(JoinPath(table_path_, piece_.file->path)));
    if (there) return run.status();
    return Status::KeyError("the changes of commit ", commit_.version,
                            " are no longer kept: a vacuum or an erasure removed '",
                            piece_.file->path, "'");
  }

  Status BeginCommit() {
    ARROW_ASSIGN_OR_RAISE(const LogCommit commit, log_.ReadCommit(commit_.version));
    for (const Action& action : commit.actions) {
      const auto* change = std::get_if<ChangeFile>(&action);
      if (change == nullptr) continue;
      AddFile add;
      add.path = change->path;
      add.partition_values = change->partition_values;
      ARROW_ASSIGN_OR_RAISE(DataFilePtr file, MakeDataFile(std::move(add), {}, 0, 0));
      pieces_.push_back({.file = std::move(file), .type = nullptr, .listed = false, .rows = {}});
    }
    if (!pieces_.empty()) return Status::OK();
    return InferChanges(commit);
  }

  /// Without change files, what was removed was deleted and what was added was inserted; where
  /// only a file's vector changed, the difference.
  Status InferChanges(const LogCommit& commit) {
    std::map<std::string, const RemoveFile*> removed;
    for (const Action& action : commit.actions) {
      const auto* remove = std::get_if<RemoveFile>(&action);
      if (remove != nullptr && remove->data_change) removed[remove->path] = remove;
    }
    std::vector<ChangePiece> inserts;
    for (const Action& action : commit.actions) {
      const auto* add = std::get_if<AddFile>(&action);
      if (add == nullptr || !add->data_change) continue;
      ARROW_ASSIGN_OR_RAISE(DataFilePtr file,
                            MakeDataFile(*add, state_->options, commit.version, 0));
      const auto before = removed.find(add->path);
      if (before == removed.end()) {
        inserts.push_back({.file = file, .type = "insert", .listed = false, .rows = {}});
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const DeletedRows was, VectorOf(before->second->vector));
      ARROW_ASSIGN_OR_RAISE(const DeletedRows is, VectorOf(add->vector));
      ChangePiece gone{.file = file, .type = "delete", .listed = true, .rows = {}};
      ChangePiece back{.file = file, .type = "insert", .listed = true, .rows = {}};
      std::set_difference(is.begin(), is.end(), was.begin(), was.end(),
                          std::back_inserter(gone.rows));
      std::set_difference(was.begin(), was.end(), is.begin(), is.end(),
                          std::back_inserter(back.rows));
      if (!gone.rows.empty()) pieces_.push_back(std::move(gone));
      if (!back.rows.empty()) inserts.push_back(std::move(back));
      removed.erase(before);
    }
    for (const auto& [path, remove] : removed) {
      DataFilePtr file = FileOf(*remove, state_->options);
      if (file == nullptr) return Status::IOError("the log names a bad path '", path, "'");
      pieces_.push_back({.file = std::move(file), .type = "delete", .listed = false, .rows = {}});
    }
    std::move(inserts.begin(), inserts.end(), std::back_inserter(pieces_));
    return Status::OK();
  }

  Result<DeletedRows> VectorOf(const std::optional<VectorPointer>& vector) const {
    if (!vector) return DeletedRows();
    return ReadVector(file_system_.get(), table_path_, *vector);
  }

  /// Whether a row of the run is part of the change; asked in ascending order of rows.
  arrow::Result<std::shared_ptr<arrow::Array>> WantedRows(const RunFile::RowGroup& group) const {
    const DeletedRows& marked = piece_.listed ? piece_.rows : run_->deleted();
    auto next = std::lower_bound(marked.begin(), marked.end(), group.first_row);
    arrow::UInt32Builder wanted;
    for (int64_t i = 0; i < group.row_count; ++i) {
      const bool is_marked = next != marked.end() && *next == group.first_row + i;
      if (is_marked) ++next;
      if (is_marked == piece_.listed) ARROW_RETURN_NOT_OK(wanted.Append(static_cast<uint32_t>(i)));
    }
    return wanted.Finish();
  }

  Result<BatchPtr> ReadGroup(int index) const {
    const RunFile::RowGroup& group = run_->row_groups()[index];
    BatchPtr rows;
    if (piece_.type == nullptr) {
      ARROW_ASSIGN_OR_RAISE(rows, run_->Read(index, *read_schema_));
    } else {
      ARROW_ASSIGN_OR_RAISE(rows, run_->Read(index, *state_->columns.logical));
    }
    if (piece_.listed || !run_->deleted().empty()) {
      ARROW_ASSIGN_OR_RAISE(const auto wanted, WantedRows(group));
      ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(rows, wanted));
      rows = taken.record_batch();
    }
    auto columns = rows->columns();
    const int64_t count = rows->num_rows();
    if (piece_.type != nullptr) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(),
                            arrow::MakeArrayFromScalar(arrow::StringScalar(piece_.type), count));
    }
    ARROW_ASSIGN_OR_RAISE(
        columns.emplace_back(),
        arrow::MakeArrayFromScalar(arrow::Int64Scalar(commit_.version), count));
    ARROW_ASSIGN_OR_RAISE(
        columns.emplace_back(),
        arrow::MakeArrayFromScalar(
            arrow::TimestampScalar(commit_.commit_time_us, CommitTimeType()), count));
    return arrow::RecordBatch::Make(schema_, count, std::move(columns));
  }

  const std::shared_ptr<FileSystem> file_system_;
  const std::string table_path_;
  const DeltaLog log_;
  const TableStatePtr state_;
  const RunOpener opener_;
  const std::vector<Commit> commits_;
  std::shared_ptr<arrow::Schema> schema_, read_schema_;
  size_t next_ = 0;
  Commit commit_;
  std::deque<ChangePiece> pieces_;
  ChangePiece piece_;
  std::shared_ptr<RunFile> run_;
  size_t group_ = 0;
};

}  // namespace

Result<std::shared_ptr<arrow::RecordBatchReader>> DeltaTable::Changes(int64_t since,
                                                                      int64_t until) {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  if (until < 0) until = state->version;
  if (until > state->version) {
    return Status::KeyError("no commit ", until, "; the newest is ", state->version);
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<Commit> commits, Commits());
  const int64_t oldest = commits.empty() ? state->version + 1 : commits.front().version;
  if (since < until && since < oldest - 1) {
    return Status::KeyError("the changes since commit ", since, " are no longer kept; ",
                            commits.empty() ? "no commit is"
                                            : "the oldest commit is " + std::to_string(oldest));
  }
  std::erase_if(commits, [&](const Commit& commit) {
    return commit.version <= since || commit.version > until;
  });
  return std::make_shared<ChangeReader>(file_system_, path_, log_, state, std::move(commits));
}

}  // namespace tercet
