// Taking entities out of a table's head and out of its history.
#include <algorithm>
#include <map>
#include <unordered_set>

#include <arrow/table.h>

#include "base/name.h"
#include "base/parallel.h"
#include "compute/sort_key.h"
#include "offline/aligned_rows.h"
#include "offline/change.h"
#include "offline/delta_table.h"
#include "offline/file_rewrite.h"
#include "offline/keyless_rows.h"
#include "offline/protocol_features.h"
#include "offline/row_stream.h"
#include "offline/table_folder.h"

namespace tercet {
namespace {

/// Values of some key columns, to be found in any file.
class ErasedKeys {
 public:
  static Result<std::shared_ptr<const ErasedKeys>> Make(const arrow::RecordBatch& keys) {
    auto erased = std::make_shared<ErasedKeys>();
    erased->schema_ = keys.schema();
    ARROW_ASSIGN_OR_RAISE(const SortKeys encoded, SortKeys::Encode(keys.columns()));
    for (int64_t i = 0; i < encoded.size(); ++i) {
      if (!encoded.valid(i)) return Status::Invalid("a key to erase is null (row ", i, ")");
      erased->keys_.insert(encoded.ToBytes(i));
    }
    return erased;
  }

  /// The rows of a file that have one of them, deleted ones too.
  Result<DeletedRows> Find(const RunFile& run) const {
    DeletedRows found;
    for (size_t g = 0; g < run.row_groups().size(); ++g) {
      ARROW_ASSIGN_OR_RAISE(const auto rows, run.Read(static_cast<int>(g), *schema_));
      ARROW_ASSIGN_OR_RAISE(const SortKeys encoded, SortKeys::Encode(rows->columns()));
      for (int64_t i = 0; i < encoded.size(); ++i) {
        if (encoded.valid(i) && keys_.contains(encoded.ToBytes(i))) {
          found.push_back(run.row_groups()[g].first_row + i);
        }
      }
    }
    return found;
  }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::unordered_set<std::string> keys_;
};

using ErasedKeysPtr = std::shared_ptr<const ErasedKeys>;

/// The head without them. Always by copies: a deletion vector would leave the rows in the file.
/// No row counts as changed in the feed, which would keep what is to be forgotten.
class Erasure : public Change {
 public:
  Erasure(const ChangeContext& context, ErasedKeysPtr keys)
      : Change(std::make_shared<NewFiles>(context.file_system, context.table_path)),
        context_(context),
        keys_(std::move(keys)) {}

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    ARROW_RETURN_NOT_OK(CheckNotAppendOnly(*state, "erase"));
    ChangePlan plan{.operation = "erase",
                    .delta_operation = "DELETE",
                    .parameters = {{"predicate", "[\"erased keys\"]"}}};
    const std::vector<DataFilePtr> files = state->OrderedFiles();
    std::vector<DataFilePtr> unseen;
    for (const DataFilePtr& file : files) {
      if (!seen_.contains(file->add.Key())) unseen.push_back(file);
    }
    const RunOpener opener(context_.file_system, context_.table_path, state->columns,
                           state->options);
    std::vector<Found> found(unseen.size());
    ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(unseen.size()), [&](int64_t i) -> Status {
      ARROW_ASSIGN_OR_RAISE(found[i], TakeOut(opener, unseen[i], *state));
      return Status::OK();
    }));
    for (size_t i = 0; i < unseen.size(); ++i) {
      seen_.emplace(unseen[i]->add.Key(), std::move(found[i]));
    }
    const int64_t now_ms = context_.clock->NowMicros() / 1000;
    for (const DataFilePtr& file : files) {
      const Found& of_file = seen_.at(file->add.Key());
      if (!of_file.any) continue;
      plan.rows_deleted += of_file.visible;
      RemoveFile remove = RemoveFile::Of(file->add, now_ms, /*data_change=*/false);
      remove.tags.clear();  // they say between which keys the file lay
      plan.actions.emplace_back(std::move(remove));
      for (const AddFile& add : of_file.adds) plan.actions.emplace_back(add);
    }
    plan.nothing = plan.actions.empty();
    return plan;
  }

 private:
  struct Found {
    bool any = false;
    int64_t visible = 0;
    std::vector<AddFile> adds;
  };

  Result<Found> TakeOut(const RunOpener& opener, const DataFilePtr& file,
                        const TableState& state) {
    ARROW_ASSIGN_OR_RAISE(const auto run, opener.Open(file));
    ARROW_ASSIGN_OR_RAISE(const DeletedRows rows, keys_->Find(*run));
    Found found{.any = !rows.empty()};
    if (rows.empty()) return found;
    const DeletedRows gone = Unite(run->deleted(), rows);
    found.visible = static_cast<int64_t>(gone.size() - run->deleted().size());
    if (static_cast<int64_t>(gone.size()) == run->row_count()) return found;
    ARROW_ASSIGN_OR_RAISE(auto left, RowsLeft(*run, gone, state.columns.logical->field_names()));
    ARROW_ASSIGN_OR_RAISE(found.adds, WriteForeignRows(std::move(left), state,
                                                       context_.clock->NowMicros(), files_.get()));
    for (AddFile& add : found.adds) {
      PutVersionTag(file->version, &add);
      add.data_change = false;
    }
    return found;
  }

  const ChangeContext context_;
  const ErasedKeysPtr keys_;
  std::map<std::string, Found> seen_;  // by AddFile::Key()
};

/// The data and change files of a table that hold erased keys and that its head does not need.
/// `written_since_us`: a file that no commit names, and that is younger, may be one that a running
/// writer is about to commit.
Result<std::set<std::string>> FindInHistory(FileSystem* file_system, const RunOpener& opener,
                                            const std::string& table_path, const DeltaLog& log,
                                            const TableState& head, const ErasedKeys& keys,
                                            int64_t written_since_us) {
  std::set<std::string> live, named;
  ARROW_RETURN_NOT_OK(AddLiveFiles(head, &live));
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> versions, log.Versions());
  for (const int64_t version : versions) {
    ARROW_ASSIGN_OR_RAISE(const LogCommit commit, log.ReadCommit(version));
    ARROW_RETURN_NOT_OK(AddNamedFiles(commit.actions, /*removed=*/true, &named));
  }
  // Of commits that left the log, files may still be there.
  for (const auto& [key, remove] : head.tombstones) {
    ARROW_RETURN_NOT_OK(AddNamedFiles({remove}, /*removed=*/true, &named));
  }
  ARROW_ASSIGN_OR_RAISE(const auto files, ListTableFiles(file_system, table_path));
  std::vector<std::string> candidates;
  std::set<std::string> old;
  for (const FileInfo& file : files) {
    if (!file.name.ends_with(".parquet") || live.contains(file.name)) continue;
    candidates.push_back(file.name);
    if (file.modified_us < written_since_us) old.insert(file.name);
  }
  std::vector<uint8_t> holds(candidates.size(), 0);
  ARROW_RETURN_NOT_OK(
      ParallelFor(static_cast<int64_t>(candidates.size()), [&](int64_t i) -> Status {
        auto file = std::make_shared<DataFile>();
        file->path = candidates[i];
        const Result<std::shared_ptr<RunFile>> run = opener.Open(file);
        // What a killed writer left may be half a file, and one that is being written is no file
        // yet: such are vacuum's.
        if (!run.ok() && !named.contains(candidates[i])) return Status::OK();
        ARROW_RETURN_NOT_OK(run.status());
        ARROW_ASSIGN_OR_RAISE(const DeletedRows rows, keys.Find(**run));
        holds[i] = !rows.empty();
        return Status::OK();
      }));
  std::set<std::string> found;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const bool done_with = named.contains(candidates[i]) || old.contains(candidates[i]);
    if (holds[i] != 0 && done_with) found.insert(candidates[i]);
  }
  return found;
}

/// The commits whose readers need one of these files.
Result<std::vector<int64_t>> VersionsThatNeed(const DeltaLog& log, const TableOptions& given,
                                              const std::set<std::string>& paths) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int64_t> versions, log.Versions());
  std::vector<int64_t> needing;
  if (versions.empty()) return needing;
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr first, log.Load(versions.front(), given));
  std::set<std::string> live;
  for (const DataFilePtr& file : first->OrderedFiles()) {
    if (paths.contains(file->path)) live.insert(file->add.Key());
  }
  for (const int64_t version : versions) {
    if (version > first->version) {
      ARROW_ASSIGN_OR_RAISE(const LogCommit commit, log.ReadCommit(version));
      for (const Action& action : commit.actions) {
        if (const auto* remove = std::get_if<RemoveFile>(&action)) live.erase(remove->Key());
      }
      for (const Action& action : commit.actions) {
        const auto* add = std::get_if<AddFile>(&action);
        if (add == nullptr) continue;
        ARROW_ASSIGN_OR_RAISE(const std::string path, DecodeLogPath(add->path));
        if (paths.contains(path)) live.insert(add->Key());
      }
    }
    if (!live.empty()) needing.push_back(version);
  }
  return needing;
}

}  // namespace

Result<TableErasure> DeltaTable::Erase(const std::shared_ptr<arrow::RecordBatch>& keys) {
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr state, HeadState());
  ARROW_RETURN_NOT_OK(CheckWritable(*state));
  const std::vector<std::string>& primary_key = state->options.primary_key;
  arrow::FieldVector fields;
  for (const std::string& name : keys->schema()->field_names()) {
    if (std::find(primary_key.begin(), primary_key.end(), name) == primary_key.end()) {
      return Status::Invalid("cannot erase by column '", name, "', which is not of the primary key",
                             Suggest(name, primary_key));
    }
    fields.push_back(state->columns.logical->GetFieldByName(name));
  }
  if (fields.empty()) return Status::Invalid("cannot erase without a key column");
  ARROW_ASSIGN_OR_RAISE(const auto reader,
                        arrow::RecordBatchReader::Make({keys}, keys->schema()));
  ARROW_ASSIGN_OR_RAISE(const auto aligned, AlignRows(reader.get(), arrow::Schema(fields)));
  ARROW_ASSIGN_OR_RAISE(const ErasedKeysPtr erased, ErasedKeys::Make(*aligned));

  Erasure change(context(), erased);
  ARROW_ASSIGN_OR_RAISE(const Commit commit, Apply(&change, *state, {}));
  TableErasure erasure{.rows = commit.rows_deleted};
  ARROW_ASSIGN_OR_RAISE(const TableStatePtr head, HeadState());
  const RunOpener opener(file_system_, path_, head->columns, head->options);
  ARROW_ASSIGN_OR_RAISE(const std::set<std::string> files,
                        FindInHistory(file_system_.get(), opener, path_, log_, *head, *erased,
                                      clock_->NowMicros() - kOrphanAgeUs));
  ARROW_ASSIGN_OR_RAISE(erasure.lost_versions, VersionsThatNeed(log_, given_, files));
  // The log first: as long as the files are there, a second call finds what a first one left.
  if (!files.empty()) ARROW_RETURN_NOT_OK(log_.ForgetContent(files, given_));
  for (const std::string& file : files) {
    ARROW_RETURN_NOT_OK(file_system_->Remove(JoinPath(path_, file)));
  }
  if (!files.empty()) ARROW_RETURN_NOT_OK(file_system_->SyncDirectory(path_));
  erasure.files = static_cast<int64_t>(files.size());
  {
    std::lock_guard lock(mutex_);
    older_.clear();
    head_ = nullptr;  // its log lines were rewritten
  }
  ARROW_ASSIGN_OR_RAISE(const auto newest, HeadState());
  erasure.version = newest->version;
  return erasure;
}

}  // namespace tercet
