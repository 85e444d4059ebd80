// Upserts and deletes: both take rows out of files where they stand.
#include <algorithm>
#include <map>
#include <set>

#include "base/parallel.h"
#include "offline/change.h"
#include "offline/file_rewrite.h"
#include "offline/row_images.h"
#include "offline/row_targets.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// What the targets are in each file, found once a file however often the change is planned.
class RowChange : public Change {
 public:
  RowChange(const ChangeContext& context, RowTargets targets)
      : Change(std::make_shared<NewFiles>(context.file_system, context.table_path)),
        context_(context),
        targets_(std::move(targets)) {}

 protected:
  struct FileChange {
    FileMatch match;
    FileRewrite rewrite;
  };

  /// Looks into the files that were not looked into before; the changes of all live files that
  /// have targets, older rows first.
  Result<std::vector<const FileChange*>> FindChanges(const TableStatePtr& state) {
    const RunOpener opener(context_.file_system, context_.table_path, state->columns,
                           state->options);
    std::vector<DataFilePtr> candidates, unseen;
    const FileFilter filter{.start_us = {}, .end_us = {}, .may_hold = [this](const RunTags& run) {
                              return targets_.Touches(run.low, run.high);
                            }};
    for (const DataFilePtr& file : state->files.Ordered(filter)) {
      if (targets_.size() == 0) break;
      candidates.push_back(file);
      if (!changes_.contains(file->add.Key())) unseen.push_back(file);
    }
    const bool whole_rows = state->BooleanProperty("delta.enableChangeDataFeed");
    std::vector<FileChange> found(unseen.size());
    ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(unseen.size()), [&](int64_t i) -> Status {
      ARROW_ASSIGN_OR_RAISE(found[i].match, MatchFile(opener, unseen[i], targets_, whole_rows));
      if (found[i].match.rows.empty()) return Status::OK();
      ARROW_ASSIGN_OR_RAISE(found[i].rewrite,
                            TakeRowsOut(found[i].match, *state, context_, files_.get()));
      found[i].match.run = nullptr;  // a file descriptor each
      return Status::OK();
    }));
    for (size_t i = 0; i < unseen.size(); ++i) {
      changes_.emplace(unseen[i]->add.Key(), std::move(found[i]));
    }
    std::vector<const FileChange*> changes;
    for (const DataFilePtr& file : candidates) {
      const FileChange& change = changes_.at(file->add.Key());
      if (!change.match.rows.empty()) changes.push_back(&change);
    }
    return changes;
  }

  /// The rows that readers saw at the targets.
  static Result<BatchPtr> RowsBefore(const std::vector<const FileChange*>& changes,
                                     const TableOptions& options) {
    std::vector<BatchPtr> found;
    for (const FileChange* change : changes) found.push_back(change->match.found);
    return VisibleRows(found, options);
  }

  static void AddRewrites(const std::vector<const FileChange*>& changes, const TableState& state,
                          ChangePlan* plan) {
    const bool vectors = std::any_of(changes.begin(), changes.end(), [](const FileChange* change) {
      return change->rewrite.vector_used;
    });
    if (vectors) plan->actions = AllowVectors(state);
    for (const FileChange* change : changes) {
      plan->actions.emplace_back(change->rewrite.remove);
      for (const AddFile& add : change->rewrite.adds) plan->actions.emplace_back(add);
    }
  }

  const ChangeContext context_;
  const RowTargets targets_;

 private:
  std::map<std::string, FileChange> changes_;  // by AddFile::Key(); files without targets too
};

class Upsert : public RowChange {
 public:
  Upsert(const ChangeContext& context, RowSpoolPtr rows)
      : RowChange(context, RowTargets(rows->rows().keys, rows->rows().order.order, false)),
        rows_(std::move(rows)) {}

  Status WriteNewRows(const TableState& state) {
    ARROW_ASSIGN_OR_RAISE(adds_, WriteRuns(rows_->rows(), state, context_.clock->NowMicros(),
                                           files_.get()));
    return Status::OK();
  }

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    ChangePlan plan{.operation = "upsert",
                    .delta_operation = "MERGE",
                    .parameters = {{"predicate", UpsertPredicate(state->options)}}};
    ARROW_ASSIGN_OR_RAISE(const auto changes, FindChanges(state));
    if (!changes.empty()) {
      ARROW_RETURN_NOT_OK(CheckNotAppendOnly(*state, "upsert"));
      ARROW_ASSIGN_OR_RAISE(const BatchPtr before, RowsBefore(changes, state->options));
      plan.rows_updated = before->num_rows();
      AddRewrites(changes, *state, &plan);
      // With any file in the feed readers look at nothing else, so the rows that are merely new
      // belong there too.
      if (state->BooleanProperty("delta.enableChangeDataFeed")) {
        ARROW_ASSIGN_OR_RAISE(const RowImages images,
                              UpsertImages(before, rows_->rows().rows, state->options));
        ARROW_RETURN_NOT_OK(
            WriteChangeFile(images.rows, images.types, *state, files_.get(), &plan.actions));
      }
    }
    plan.rows_inserted = rows_->row_count() - plan.rows_updated;
    for (const AddFile& add : adds_) plan.actions.emplace_back(add);
    plan.nothing = plan.actions.empty();
    return plan;
  }

 private:
  const RowSpoolPtr rows_;
  std::vector<AddFile> adds_;
};

class Delete : public RowChange {
 public:
  using RowChange::RowChange;

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    ARROW_RETURN_NOT_OK(CheckNotAppendOnly(*state, "delete"));
    ChangePlan plan{.operation = "delete",
                    .delta_operation = "DELETE",
                    .parameters = {{"predicate", "[\"primary key\"]"}}};
    ARROW_ASSIGN_OR_RAISE(const auto changes, FindChanges(state));
    plan.nothing = changes.empty();
    if (plan.nothing) return plan;
    ARROW_ASSIGN_OR_RAISE(const BatchPtr before, RowsBefore(changes, state->options));
    plan.rows_deleted = before->num_rows();
    AddRewrites(changes, *state, &plan);
    if (state->BooleanProperty("delta.enableChangeDataFeed")) {
      ARROW_RETURN_NOT_OK(WriteChangeFile(before,
                                          std::vector<const char*>(before->num_rows(), "delete"),
                                          *state, files_.get(), &plan.actions));
    }
    return plan;
  }
};

}  // namespace

Result<std::unique_ptr<Change>> MakeUpsert(const ChangeContext& context, const TableState& state,
                                           RowSpoolPtr rows) {
  ARROW_ASSIGN_OR_RAISE(const BatchPtr duplicate, rows->Duplicate());
  if (duplicate != nullptr) {
    return Status::Invalid("two rows have the same ",
                           state.options.event_time.empty() ? "primary key"
                                                            : "primary key and event time",
                           ": ", PositionText(*duplicate, 0, state.options));
  }
  if (rows->spilled()) return MakeStreamedUpsert(context, state, *rows);
  auto upsert = std::make_unique<Upsert>(context, std::move(rows));
  ARROW_RETURN_NOT_OK(upsert->WriteNewRows(state));
  return upsert;
}

TableOptions OptionsOfKeys(const arrow::Schema& keys, const TableOptions& options) {
  TableOptions of_keys = options;
  if (!options.event_time.empty() && keys.GetFieldIndex(options.event_time) < 0) {
    of_keys.event_time.clear();
  }
  return of_keys;
}

Result<std::unique_ptr<Change>> MakeDelete(const ChangeContext& context, const TableState& state,
                                           RowSpoolPtr keys) {
  if (keys->spilled()) return MakeStreamedDelete(context, state, std::move(keys));
  const bool whole_keys = OptionsOfKeys(*keys->schema(), state.options).event_time !=
                          state.options.event_time;
  const RowsToWrite& rows = keys->rows();
  return std::make_unique<Delete>(context, RowTargets(rows.keys, rows.order.order, whole_keys));
}

}  // namespace tercet
