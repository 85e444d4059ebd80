#include <algorithm>

#include "offline/change.h"
#include "offline/compaction_choice.h"
#include "offline/keyless_rows.h"
#include "offline/row_gather.h"
#include "offline/row_stream.h"
#include "offline/run_sink.h"
#include "offline/spilled_runs.h"

namespace tercet {
namespace {

/// About how many bytes of the files a merge has open at a time: a row group of each file that lies
/// over a position, and a foreign file whole. Files are compressed, or their text is.
int64_t BytesAtOnce(const std::vector<DataFilePtr>& files) {
  constexpr int64_t kRowGroupRows = 131'072;
  constexpr int64_t kExpansion = 3;
  std::vector<std::pair<std::string, int64_t>> edges;  // position → bytes less from there on
  int64_t bytes = 0;
  for (const DataFilePtr& file : files) {
    const int64_t whole = kExpansion * file->add.size_bytes;
    if (!file->run) {
      bytes += whole;
      continue;
    }
    const int64_t rows = std::max<int64_t>(file->run->row_count, 1);
    const auto open = static_cast<int64_t>(
        static_cast<double>(whole) * std::min(1.0, static_cast<double>(kRowGroupRows) /
                                                       static_cast<double>(rows)));
    edges.emplace_back(file->run->low, -open);
    edges.emplace_back(file->run->high, open);
  }
  std::sort(edges.begin(), edges.end());  // at equal positions beginnings first
  int64_t most = bytes;
  for (const auto& edge : edges) most = std::max(most, bytes -= edge.second);
  return most;
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
    inputs_ = FilesToCompact(state->OrderedFiles(), layout);
    if (inputs_.empty()) return Status::OK();
    version_ = inputs_.back()->version;
    ARROW_ASSIGN_OR_RAISE(const auto stream, MergeInputs(*state));
    int64_t rows = 0;
    for (const DataFilePtr& file : inputs_) rows += file->RowCount().value_or(0);
    ARROW_ASSIGN_OR_RAISE(const auto sink,
                          RunSink::Make(state.get(), rows, context_.memory.limit_bytes,
                                        context_.clock->NowMicros(), files_.get()));
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const std::optional<KeyedRows> next, stream->Next());
      if (!next) break;
      ARROW_RETURN_NOT_OK(sink->Append(*next));
    }
    ARROW_ASSIGN_OR_RAISE(adds_, sink->Finish());
    for (AddFile& add : adds_) PutVersionTag(version_, &add);
    ARROW_RETURN_NOT_OK(KeepKeylessRows(*state));
    for (AddFile& add : adds_) add.data_change = false;
    return Status::OK();
  }

 private:
  /// The merge passes by foreign rows without a key: they go on as they are.
  Status KeepKeylessRows(const TableState& state) {
    const RunOpener opener(context_.file_system, context_.table_path, state.columns,
                           state.options);
    for (const DataFilePtr& file : inputs_) {
      if (file->run) continue;
      ARROW_ASSIGN_OR_RAISE(const auto run, opener.Open(file));
      ARROW_ASSIGN_OR_RAISE(const auto rows,
                            ReadKeylessRows(*run, *state.columns.logical, state.options));
      if (rows == nullptr) continue;
      ARROW_ASSIGN_OR_RAISE(
          const std::vector<AddFile> adds,
          WriteKeylessRows(rows, state, context_.clock->NowMicros(), files_.get()));
      for (AddFile add : adds) {
        PutVersionTag(file->version, &add);
        adds_.push_back(std::move(add));
      }
    }
    return Status::OK();
  }

  /// The inputs' rows in one order. Where the row groups that a merge has open at a time don't fit
  /// into half of the limit, each input is spilled first, so that of each one batch is open.
  Result<std::unique_ptr<RowStream>> MergeInputs(const TableState& state) const {
    const auto opener = std::make_shared<RunOpener>(context_.file_system, context_.table_path,
                                                    state.columns, state.options);
    RunRequest request;
    request.columns = state.columns.logical->field_names();
    request.with_keys = true;
    if (BytesAtOnce(inputs_) <= context_.memory.limit_bytes / 2) {
      return MergeRuns(opener, inputs_, request);
    }
    auto spilled = std::make_shared<SpilledRuns>(state.columns.logical, state.options,
                                                 context_.scratch_folder(),
                                                 context_.memory.limit_bytes);
    for (const DataFilePtr& file : inputs_) {
      if (file->run) {
        ARROW_RETURN_NOT_OK(spilled->Add(MergeRuns(opener, {file}, request).get()));
      } else {
        ARROW_RETURN_NOT_OK(SpillForeign(*opener, file, spilled.get()));
      }
    }
    return SpilledRuns::Merge(std::move(spilled), request.columns, /*only_last=*/true);
  }

  /// A foreign file is not in order: each of its row groups is a run.
  static Status SpillForeign(const RunOpener& opener, const DataFilePtr& file,
                             SpilledRuns* spilled) {
    ARROW_ASSIGN_OR_RAISE(const auto run, opener.Open(file));
    auto gone = run->deleted().begin();
    for (size_t g = 0; g < run->row_groups().size(); ++g) {
      const RunFile::RowGroup& group = run->row_groups()[g];
      ARROW_ASSIGN_OR_RAISE(auto rows, run->Read(static_cast<int>(g), *opener.columns().logical));
      std::vector<uint32_t> live = RowsByPosition::Of(*rows, opener.options()).with;
      std::erase_if(live, [&](uint32_t row) {
        const int64_t number = group.first_row + row;
        while (gone != run->deleted().end() && *gone < number) ++gone;
        return gone != run->deleted().end() && *gone == number;
      });
      if (static_cast<int64_t>(live.size()) < group.row_count) {
        ARROW_ASSIGN_OR_RAISE(rows, GatherRows(*rows, live));
      }
      ARROW_ASSIGN_OR_RAISE(const RowsToWrite sorted,
                            RowsToWrite::Make(std::move(rows), opener.options()));
      ARROW_RETURN_NOT_OK(spilled->Add(sorted));
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
  return state.files.CountRunsBelow(SmallRunRows(layout));
}

}  // namespace tercet
