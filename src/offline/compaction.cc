#include <algorithm>
#include <set>

#include <arrow/table.h>

#include "offline/change.h"
#include "offline/row_stream.h"

namespace tercet {
namespace {

/// Runs of less than this share of a full file are merged, however they lie.
constexpr int64_t kSmallShare = 4;
/// As many large runs over one key are merged; fewer cost a reader little.
constexpr int kMaxDepth = 4;
/// Files of which this share of rows is deleted are written anew.
constexpr double kMaxDeletedShare = 0.2;

bool Overlap(const DataFile& a, const DataFile& b) {
  if (!a.run || !b.run) return true;
  return a.run->low <= b.run->high && b.run->low <= a.run->high;
}

bool IsWorn(const DataFile& file) {
  if (!file.run) return true;
  return file.add.vector && static_cast<double>(file.add.vector->cardinality) >
                                kMaxDeletedShare * static_cast<double>(file.run->row_count);
}

/// How many of the runs lie over one position at most.
int MaxDepth(const std::vector<DataFilePtr>& runs) {
  std::vector<std::pair<std::string, int>> edges;
  for (const DataFilePtr& file : runs) {
    edges.emplace_back(file->run->low, -1);
    edges.emplace_back(file->run->high, 1);
  }
  std::sort(edges.begin(), edges.end());  // at equal positions beginnings first
  int depth = 0, most = 0;
  for (const auto& edge : edges) most = std::max(most, depth -= edge.second);
  return most;
}

/// The files to merge, older first; empty when all is well.
std::vector<DataFilePtr> ChooseFiles(const TableState& state, const RunLayout& layout) {
  const std::vector<DataFilePtr> files = state.OrderedFiles();
  std::vector<DataFilePtr> large;
  std::set<const DataFile*> chosen;
  bool worn = false;
  for (const DataFilePtr& file : files) {
    worn = worn || IsWorn(*file);
    if (IsWorn(*file) || file->run->row_count < layout.max_file_rows / kSmallShare) {
      chosen.insert(file.get());
    } else {
      large.push_back(file);
    }
  }
  if (chosen.size() == 1 && !worn) chosen.clear();
  if (MaxDepth(large) >= kMaxDepth) {
    for (const DataFilePtr& a : large) {
      for (const DataFilePtr& b : large) {
        if (a != b && Overlap(*a, *b)) chosen.insert(a.get());
      }
    }
  }
  // The merged rows become as young as the youngest of them. A file in between that overlaps would
  // then lose to rows that are older than its own, so it must be merged too.
  for (bool grown = true; grown && !chosen.empty();) {
    grown = false;
    int64_t youngest = 0;
    for (const DataFile* file : chosen) youngest = std::max(youngest, file->version);
    for (const DataFilePtr& other : files) {
      if (chosen.contains(other.get()) || other->version > youngest) continue;
      const bool between = std::any_of(chosen.begin(), chosen.end(), [&](const DataFile* file) {
        return !file->After(*other) && Overlap(*file, *other);
      });
      if (between) {
        chosen.insert(other.get());
        grown = true;
      }
    }
  }
  std::vector<DataFilePtr> ordered;
  for (const DataFilePtr& file : files) {
    if (chosen.contains(file.get())) ordered.push_back(file);
  }
  return ordered;
}

class Compaction : public Change {
 public:
  explicit Compaction(const ChangeContext& context)
      : Change(std::make_shared<NewFiles>(context.file_system, context.table_path)),
        context_(context) {}

  Result<ChangePlan> Plan(const TableStatePtr& state) override {
    const bool still_there =
        prepared_ && std::all_of(inputs_.begin(), inputs_.end(), [&](const DataFilePtr& file) {
          return state->files.Contains(file->add);
        });
    if (!still_there) ARROW_RETURN_NOT_OK(Prepare(state));
    ChangePlan plan{.operation = "compact",
                    .delta_operation = "OPTIMIZE",
                    .parameters = {{"predicate", "[]"}},
                    .nothing = inputs_.empty()};
    for (const DataFilePtr& file : inputs_) {
      plan.actions.emplace_back(
          RemoveFile::Of(file->add, context_.clock->NowMicros() / 1000, false));
    }
    for (const AddFile& add : adds_) plan.actions.emplace_back(add);
    return plan;
  }

  Status Prepare(const TableStatePtr& state) {
    ARROW_ASSIGN_OR_RAISE(const RunLayout layout, RunLayout::Of(*state));
    prepared_ = true;
    adds_.clear();
    inputs_ = ChooseFiles(*state, layout);
    if (inputs_.empty()) return Status::OK();
    version_ = inputs_.back()->version;
    const auto opener = std::make_shared<RunOpener>(context_.file_system, context_.table_path,
                                                    state->columns, state->options);
    RunRequest request;
    request.columns = state->columns.logical->field_names();
    const auto stream = MergeRuns(opener, inputs_, request);
    std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
    int64_t rows = 0;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(std::optional<KeyedRows> next, stream->Next());
      if (next) {
        rows += next->rows->num_rows();
        batches.push_back(std::move(next->rows));
      }
      if (rows > 0 && (!next || rows >= layout.max_file_rows)) {
        ARROW_RETURN_NOT_OK(WriteMerged(batches, *state));
        batches.clear();
        rows = 0;
      }
      if (!next) return Status::OK();
    }
  }

 private:
  Status WriteMerged(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                     const TableState& state) {
    ARROW_ASSIGN_OR_RAISE(auto together, arrow::ConcatenateRecordBatches(batches));
    ARROW_ASSIGN_OR_RAISE(const RowsToWrite rows,
                          RowsToWrite::Make(std::move(together), state.options));
    ARROW_ASSIGN_OR_RAISE(std::vector<AddFile> adds,
                          WriteRuns(rows, state, context_.clock->NowMicros(), files_.get()));
    for (AddFile& add : adds) {
      add.data_change = false;
      PutVersionTag(version_, &add);
      adds_.push_back(std::move(add));
    }
    return Status::OK();
  }

  const ChangeContext context_;
  bool prepared_ = false;
  std::vector<DataFilePtr> inputs_;
  std::vector<AddFile> adds_;
  int64_t version_ = 0;
};

}  // namespace

Result<std::unique_ptr<Change>> MakeCompaction(const ChangeContext& context,
                                               const TableStatePtr& state) {
  auto compaction = std::make_unique<Compaction>(context);
  ARROW_RETURN_NOT_OK(compaction->Prepare(state));
  return compaction;
}

Result<int64_t> SmallRuns(const TableState& state) {
  ARROW_ASSIGN_OR_RAISE(const RunLayout layout, RunLayout::Of(state));
  return state.files.CountRunsBelow(layout.max_file_rows / kSmallShare);
}

}  // namespace tercet
