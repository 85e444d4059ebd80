// Upserts and deletes of more rows than memory holds: the rows come in pieces of their order, and
// of the table only what stands in the range of a piece is looked at.
#include <algorithm>
#include <map>
#include <set>

#include "base/parallel.h"
#include "offline/change.h"
#include "offline/file_rewrite.h"
#include "offline/position_columns.h"
#include "offline/row_images.h"
#include "offline/row_targets.h"
#include "offline/run_sink.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

class StreamedChange : public Change {
 public:
  explicit StreamedChange(const ChangeContext& context)
      : Change(std::make_shared<NewFiles>(context.file_system, context.table_path)),
        context_(context) {}

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    std::set<std::string> keys;
    for (const DataFilePtr& file : state->OrderedFiles()) keys.insert(file->add.Key());
    // What was planned holds for a state with the same files; else it is begun anew: what was
    // written for it is removed with the other files that no commit names.
    if (!planned_ || keys != planned_for_) {
      planned_ = false;
      ARROW_ASSIGN_OR_RAISE(plan_, PlanAnew(*state));
      planned_for_ = std::move(keys);
      planned_ = true;
    }
    ChangePlan plan = plan_;
    if (vectors_) {
      const std::vector<Action> allow = AllowVectors(*state);
      plan.actions.insert(plan.actions.begin(), allow.begin(), allow.end());
    }
    return plan;
  }

 protected:
  virtual Result<ChangePlan> PlanAnew(const TableState& state) = 0;
  /// The change's rows in order, those of a position once: all columns, or the keys' at least.
  virtual Result<std::unique_ptr<RowStream>> Pieces(const TableState& state,
                                                    bool whole_rows) const = 0;
  virtual bool whole_keys() const { return false; }

  /// Takes the targets' rows out of the table's files; what came of it is appended to the plan.
  /// Returns the files that had some.
  Result<std::vector<DataFilePtr>> TakeOut(const TableState& state, ChangePlan* plan) {
    vectors_ = false;
    const RunOpener opener(context_.file_system, context_.table_path, state.columns,
                           state.options);
    // Files whose rows are not all known to stay or go; numbers ascend where files are in order.
    std::map<std::string, FileMatch> open;
    std::vector<DataFilePtr> changed;
    const auto finish = [&](FileMatch match) -> Status {
      std::sort(match.rows.begin(), match.rows.end());
      ARROW_ASSIGN_OR_RAISE(match.run, opener.Open(match.file));
      ARROW_ASSIGN_OR_RAISE(const FileRewrite rewrite,
                            TakeRowsOut(match, state, context_, files_.get()));
      plan->actions.emplace_back(rewrite.remove);
      for (const AddFile& add : rewrite.adds) plan->actions.emplace_back(add);
      vectors_ = vectors_ || rewrite.vector_used;
      changed.push_back(match.file);
      return Status::OK();
    };
    ARROW_ASSIGN_OR_RAISE(const auto pieces, Pieces(state, /*whole_rows=*/false));
    const std::vector<DataFilePtr> files = state.OrderedFiles();
    while (true) {
      ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> piece, pieces->Next());
      if (!piece) break;
      const std::string last = piece->keys.Position(piece->keys.size() - 1);
      ARROW_ASSIGN_OR_RAISE(std::vector<FileMatch> matches,
                            Match(opener, files, std::move(piece->keys), /*whole_rows=*/false));
      for (FileMatch& match : matches) {
        FileMatch& known = open[match.file->add.Key()];
        known.file = match.file;
        known.rows.insert(known.rows.end(), match.rows.begin(), match.rows.end());
      }
      for (auto it = open.begin(); it != open.end();) {
        if (it->second.file->run && it->second.file->run->high < last) {
          ARROW_RETURN_NOT_OK(finish(std::move(it->second)));
          it = open.erase(it);
        } else {
          ++it;
        }
      }
    }
    for (auto& [key, match] : open) ARROW_RETURN_NOT_OK(finish(std::move(match)));
    return changed;
  }

  /// The targets in each file that has some, older files first.
  Result<std::vector<FileMatch>> Match(const RunOpener& opener,
                                       const std::vector<DataFilePtr>& files, RowKeys keys,
                                       bool whole_rows) const {
    const RowTargets targets(std::move(keys), {}, whole_keys());
    std::vector<DataFilePtr> candidates;
    for (const DataFilePtr& file : files) {
      const bool may_hold = !file->run || targets.Touches(file->run->low, file->run->high);
      if (may_hold) candidates.push_back(file);
    }
    std::vector<FileMatch> matches(candidates.size());
    ARROW_RETURN_NOT_OK(
        ParallelFor(static_cast<int64_t>(candidates.size()), [&](int64_t i) -> Status {
          ARROW_ASSIGN_OR_RAISE(matches[i], MatchFile(opener, candidates[i], targets, whole_rows));
          matches[i].run = nullptr;  // a file descriptor each
          return Status::OK();
        }));
    std::erase_if(matches, [](const FileMatch& match) { return match.rows.empty(); });
    return matches;
  }

  /// Tells the change feed of every piece; returns how many rows readers saw at the targets.
  Result<int64_t> WriteFeed(const TableState& state, std::vector<DataFilePtr> changed, bool deletes,
                            std::vector<Action>* actions) {
    const RunOpener opener(context_.file_system, context_.table_path, state.columns,
                           state.options);
    std::sort(changed.begin(), changed.end(), [](const DataFilePtr& a, const DataFilePtr& b) {
      return b->After(*a);
    });
    const bool feed = state.BooleanProperty("delta.enableChangeDataFeed");
    ChangeFileSink sink(&state, files_.get());
    int64_t rows = 0;
    ARROW_ASSIGN_OR_RAISE(const auto pieces, Pieces(state, /*whole_rows=*/feed));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> piece, pieces->Next());
      if (!piece) break;
      ARROW_ASSIGN_OR_RAISE(const std::vector<FileMatch> matches,
                            Match(opener, changed, piece->keys, /*whole_rows=*/feed));
      BatchPtr before;
      if (matches.empty()) {
        ARROW_ASSIGN_OR_RAISE(before, arrow::RecordBatch::MakeEmpty(state.columns.logical));
      } else {
        std::vector<BatchPtr> found;
        for (const FileMatch& match : matches) found.push_back(match.found);
        ARROW_ASSIGN_OR_RAISE(before, VisibleRows(found, state.options));
      }
      rows += before->num_rows();
      if (!feed) continue;
      if (deletes) {
        ARROW_RETURN_NOT_OK(sink.Append(
            before, std::vector<const char*>(static_cast<size_t>(before->num_rows()), "delete")));
      } else {
        ARROW_ASSIGN_OR_RAISE(const RowImages images,
                              UpsertImages(before, piece->rows, state.options));
        ARROW_RETURN_NOT_OK(sink.Append(images.rows, images.types));
      }
    }
    ARROW_RETURN_NOT_OK(sink.Finish(actions));
    return rows;
  }

  const ChangeContext context_;

 private:
  bool planned_ = false;
  std::set<std::string> planned_for_;  // the state's files, by AddFile::Key()
  ChangePlan plan_;
  bool vectors_ = false;
};

class StreamedUpsert : public StreamedChange {
 public:
  using StreamedChange::StreamedChange;

  Status WriteNewRows(const RowSpool& rows, const TableState& state) {
    row_count_ = rows.row_count();
    ARROW_ASSIGN_OR_RAISE(adds_, WriteSpool(rows, state, context_.memory.limit_bytes,
                                            context_.clock->NowMicros(), files_.get()));
    for (size_t i = 0; i < adds_.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto file, MakeDataFile(adds_[i], state.options, state.version + 1,
                                                    static_cast<int64_t>(i)));
      new_files_.push_back(std::move(file));
    }
    return Status::OK();
  }

 protected:
  Result<ChangePlan> PlanAnew(const TableState& state) override {
    ChangePlan plan{.operation = "upsert",
                    .delta_operation = "MERGE",
                    .parameters = {{"predicate", UpsertPredicate(state.options)}}};
    ARROW_ASSIGN_OR_RAISE(std::vector<DataFilePtr> changed, TakeOut(state, &plan));
    if (!changed.empty()) {
      ARROW_RETURN_NOT_OK(CheckNotAppendOnly(state, "upsert"));
      ARROW_ASSIGN_OR_RAISE(plan.rows_updated, WriteFeed(state, std::move(changed),
                                                         /*deletes=*/false, &plan.actions));
    }
    plan.rows_inserted = row_count_ - plan.rows_updated;
    for (const AddFile& add : adds_) plan.actions.emplace_back(add);
    plan.nothing = plan.actions.empty();
    return plan;
  }

  /// The new files themselves: they are in order, and the spilled rows can go.
  Result<std::unique_ptr<RowStream>> Pieces(const TableState& state,
                                            bool whole_rows) const override {
    RunRequest request;
    request.columns =
        whole_rows ? state.columns.logical->field_names() : PositionColumns(state.options);
    request.with_keys = true;
    return MergeRuns(std::make_shared<RunOpener>(context_.file_system, context_.table_path,
                                                 state.columns, state.options),
                     new_files_, std::move(request));
  }

 private:
  int64_t row_count_ = 0;
  std::vector<AddFile> adds_;
  std::vector<DataFilePtr> new_files_;
};

class StreamedDelete : public StreamedChange {
 public:
  StreamedDelete(const ChangeContext& context, RowSpoolPtr keys, bool whole_keys)
      : StreamedChange(context), keys_(std::move(keys)), whole_keys_(whole_keys) {}

 protected:
  Result<ChangePlan> PlanAnew(const TableState& state) override {
    ARROW_RETURN_NOT_OK(CheckNotAppendOnly(state, "delete"));
    ChangePlan plan{.operation = "delete",
                    .delta_operation = "DELETE",
                    .parameters = {{"predicate", "[\"primary key\"]"}}};
    ARROW_ASSIGN_OR_RAISE(std::vector<DataFilePtr> changed, TakeOut(state, &plan));
    plan.nothing = changed.empty();
    if (plan.nothing) return plan;
    ARROW_ASSIGN_OR_RAISE(plan.rows_deleted, WriteFeed(state, std::move(changed),
                                                       /*deletes=*/true, &plan.actions));
    return plan;
  }
  Result<std::unique_ptr<RowStream>> Pieces(const TableState&, bool) const override {
    return keys_->Stream(/*only_last=*/true);
  }
  bool whole_keys() const override { return whole_keys_; }

 private:
  const RowSpoolPtr keys_;
  const bool whole_keys_;
};

}  // namespace

Result<std::unique_ptr<Change>> MakeStreamedUpsert(const ChangeContext& context,
                                                   const TableState& state,
                                                   const RowSpool& rows) {
  auto upsert = std::make_unique<StreamedUpsert>(context);
  ARROW_RETURN_NOT_OK(upsert->WriteNewRows(rows, state));
  return upsert;
}

Result<std::unique_ptr<Change>> MakeStreamedDelete(const ChangeContext& context,
                                                   const TableState& state, RowSpoolPtr keys) {
  const bool whole_keys =
      OptionsOfKeys(*keys->schema(), state.options).event_time != state.options.event_time;
  return std::make_unique<StreamedDelete>(context, std::move(keys), whole_keys);
}

}  // namespace tercet
