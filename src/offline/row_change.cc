// Upserts and deletes: both take rows out of files where they stand.
#include <algorithm>
#include <map>
#include <set>

#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <fmt/format.h>

#include "base/parallel.h"
#include "offline/change.h"
#include "offline/file_rewrite.h"
#include "offline/row_targets.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// One row's key columns, for messages.
std::string RowText(const arrow::RecordBatch& rows, int64_t row, const TableOptions& options) {
  std::vector<std::string> names = options.primary_key;
  if (!options.event_time.empty()) names.push_back(options.event_time);
  std::string text;
  for (const std::string& name : names) {
    const auto scalar = rows.GetColumnByName(name)->GetScalar(row);
    if (!text.empty()) text += ", ";
    text += name + "=" + (scalar.ok() ? (*scalar)->ToString() : "?");
  }
  return text;
}

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
                            TakeRowsOut(found[i].match, *state, context_.clock->NowMicros(),
                                        files_.get()));
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

  /// The rows that readers saw at the targets: of each position the winning one, in order.
  static Result<BatchPtr> VisibleRows(const std::vector<const FileChange*>& changes,
                                      const TableOptions& options) {
    std::vector<BatchPtr> batches;
    for (const FileChange* change : changes) batches.push_back(change->match.found);
    ARROW_ASSIGN_OR_RAISE(const BatchPtr rows, arrow::ConcatenateRecordBatches(batches));
    ARROW_ASSIGN_OR_RAISE(const RowKeys keys, RowKeys::Of(*rows, options));
    const RowOrder order = SortRows(keys);
    arrow::UInt32Builder winners;
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      const int64_t row = order.order.empty() ? i : order.order[i];
      if (i + 1 < rows->num_rows()) {
        const int64_t next = order.order.empty() ? i + 1 : order.order[i + 1];
        if (keys.Compare(row, keys, next) == 0) continue;
      }
      ARROW_RETURN_NOT_OK(winners.Append(static_cast<uint32_t>(row)));
    }
    ARROW_ASSIGN_OR_RAISE(const auto indices, winners.Finish());
    ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(rows, indices));
    return taken.record_batch();
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
  Upsert(const ChangeContext& context, RowsToWrite rows)
      : RowChange(context, RowTargets(rows.keys, rows.order.order, false)),
        rows_(std::move(rows)) {}

  Status WriteNewRows(const TableState& state) {
    ARROW_ASSIGN_OR_RAISE(adds_, WriteRuns(rows_, state, context_.clock->NowMicros(),
                                           files_.get()));
    return Status::OK();
  }

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    ChangePlan plan{.operation = "upsert",
                    .delta_operation = "MERGE",
                    .parameters = {{"predicate", Predicate(state->options)}}};
    ARROW_ASSIGN_OR_RAISE(const auto changes, FindChanges(state));
    const int64_t count = rows_.rows->num_rows();
    if (!changes.empty()) {
      ARROW_RETURN_NOT_OK(CheckNotAppendOnly(*state, "upsert"));
      ARROW_ASSIGN_OR_RAISE(const BatchPtr before, VisibleRows(changes, state->options));
      plan.rows_updated = before->num_rows();
      AddRewrites(changes, *state, &plan);
      ARROW_RETURN_NOT_OK(WriteFeed(before, *state, &plan.actions));
    }
    plan.rows_inserted = count - plan.rows_updated;
    for (const AddFile& add : adds_) plan.actions.emplace_back(add);
    plan.nothing = plan.actions.empty();
    return plan;
  }

 private:
  static std::string Predicate(const TableOptions& options) {
    std::string text;
    std::vector<std::string> keys = options.primary_key;
    if (!options.event_time.empty()) keys.push_back(options.event_time);
    for (const std::string& key : keys) {
      text += (text.empty() ? "" : " AND ") + fmt::format("target.{0} = source.{0}", key);
    }
    return text;
  }

  /// Old and new rows side by side. With any file in the feed readers look at nothing else, so the
  /// rows that are merely new belong there too.
  Status WriteFeed(const BatchPtr& before, const TableState& state, std::vector<Action>* actions) {
    if (!state.BooleanProperty("delta.enableChangeDataFeed")) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(const RowKeys old_keys, RowKeys::Of(*before, state.options));
    const RowTargets old_rows(old_keys, {}, false);
    ARROW_ASSIGN_OR_RAISE(const BatchPtr both,
                          arrow::ConcatenateRecordBatches({before, rows_.rows}));
    ARROW_ASSIGN_OR_RAISE(const RowKeys keys, RowKeys::Of(*both, state.options));
    const RowOrder order = SortRows(keys);  // stable: the old row before the new
    std::vector<const char*> types(both->num_rows());
    for (int64_t i = 0; i < both->num_rows(); ++i) {
      const int64_t row = order.order.empty() ? i : order.order[i];
      types[i] = row < before->num_rows()       ? "update_preimage"
                 : old_rows.Contains(keys, row) ? "update_postimage"
                                                : "insert";
    }
    BatchPtr sorted = both;
    if (!order.order.empty()) {
      const auto indices = std::make_shared<arrow::UInt32Array>(
          both->num_rows(), arrow::Buffer::Wrap(order.order.data(), order.order.size()));
      ARROW_ASSIGN_OR_RAISE(arrow::Datum taken, arrow::compute::Take(both, indices));
      sorted = taken.record_batch();
    }
    return WriteChangeFile(sorted, types, state, files_.get(), actions);
  }

  const RowsToWrite rows_;
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
    ARROW_ASSIGN_OR_RAISE(const BatchPtr before, VisibleRows(changes, state->options));
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
                                           BatchPtr rows) {
  ARROW_ASSIGN_OR_RAISE(RowsToWrite sorted, RowsToWrite::Make(std::move(rows), state.options));
  if (!sorted.order.unique) {
    return Status::Invalid("two rows have the same ",
                           state.options.event_time.empty() ? "primary key"
                                                            : "primary key and event time",
                           ": ", RowText(*sorted.rows, sorted.order.duplicate, state.options));
  }
  auto upsert = std::make_unique<Upsert>(context, std::move(sorted));
  ARROW_RETURN_NOT_OK(upsert->WriteNewRows(state));
  return upsert;
}

Result<std::unique_ptr<Change>> MakeDelete(const ChangeContext& context, const TableState& state,
                                           BatchPtr keys) {
  TableOptions options = state.options;
  const bool whole_keys = !options.event_time.empty() &&
                          keys->schema()->GetFieldIndex(options.event_time) < 0;
  if (whole_keys) options.event_time.clear();
  ARROW_ASSIGN_OR_RAISE(RowKeys rows, RowKeys::Of(*keys, options));
  RowOrder order = SortRows(rows);
  return std::make_unique<Delete>(
      context, RowTargets(std::move(rows), std::move(order.order), whole_keys));
}

}  // namespace tercet
