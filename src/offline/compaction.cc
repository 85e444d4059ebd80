#include <algorithm>
#include <set>

#include "offline/change.h"
#include "offline/row_gather.h"
#include "offline/row_stream.h"
#include "offline/run_sink.h"
#include "offline/spilled_runs.h"

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
    for (AddFile& add : adds_) {
      add.data_change = false;
      PutVersionTag(version_, &add);
    }
    return Status::OK();
  }

 private:
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
      std::vector<uint32_t> live;
      for (int64_t i = 0; i < group.row_count; ++i) {
        if (gone != run->deleted().end() && *gone == group.first_row + i) {
          ++gone;
        } else {
          live.push_back(static_cast<uint32_t>(i));
        }
      }
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
  return state.files.CountRunsBelow(layout.max_file_rows / kSmallShare);
}

}  // namespace tercet
