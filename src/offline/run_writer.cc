#include "offline/run_writer.h"

#include <algorithm>
#include <charconv>
#include <span>

#include <arrow/table.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include "base/id.h"
#include "base/log.h"
#include "base/parallel.h"
#include "offline/deletion_vector.h"
#include "offline/file_columns.h"
#include "offline/file_stats.h"
#include "offline/parquet_output.h"
#include "offline/position_columns.h"
#include "offline/row_gather.h"
#include "offline/run_file.h"

namespace tercet {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// More than any file has, and so far from the largest number that sums can't overflow.
constexpr int64_t kMostRows = int64_t{1} << 40;

Result<int64_t> PositiveProperty(const TableState& state, std::string_view name,
                                 int64_t fallback) {
  const std::string* text = state.Property(name);
  if (text == nullptr) return fallback;
  int64_t value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() || value < 1) {
    return Status::Invalid("table property '", name, "' must be a positive number, not '", *text,
                           "'");
  }
  return std::min(value, kMostRows);
}

/// All rows of a batch as one file; its size.
Result<int64_t> WriteParquet(const std::string& path, const BatchPtr& stored,
                             const RunLayout& layout, const std::vector<std::string>& indexed,
                             const std::shared_ptr<arrow::KeyValueMetadata>& footer,
                             NewFiles* files) {
  ARROW_ASSIGN_OR_RAISE(const auto output, ParquetOutput::Open(path, stored->schema(), layout,
                                                               indexed, files));
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches({stored}));
  for (int64_t first = 0; first < table->num_rows(); first += layout.row_group_rows) {
    ARROW_RETURN_NOT_OK(output->WriteGroup(*table->Slice(first, layout.row_group_rows)));
  }
  return output->Close(footer);
}

/// Rows [begin, end) of the order, as files have them.
Result<BatchPtr> StoredSlice(const RowsToWrite& rows, const TableColumns& columns, int64_t begin,
                             int64_t end) {
  BatchPtr slice;
  if (rows.order.order.empty()) {
    slice = rows.rows->Slice(begin, end - begin);
  } else {
    const std::span<const uint32_t> order(rows.order.order);
    ARROW_ASSIGN_OR_RAISE(slice, GatherRows(*rows.rows, order.subspan(begin, end - begin)));
  }
  return ToFileRows(*slice, columns);
}

std::vector<RunFile::RowGroup> RowGroupsOf(const RowsToWrite& rows, int64_t begin, int64_t end,
                                           int64_t group_rows) {
  std::vector<RunFile::RowGroup> groups;
  for (int64_t first = begin; first < end; first += group_rows) {
    const int64_t last = std::min(end, first + group_rows);
    RunFile::RowGroup group{.first_row = first - begin, .row_count = last - first};
    const auto row = [&](int64_t i) { return rows.order.order.empty() ? i : rows.order.order[i]; };
    group.low = rows.keys.Position(row(first));
    if (rows.keys.times() != nullptr) {
      group.time_min_us = std::numeric_limits<int64_t>::max();
      group.time_max_us = std::numeric_limits<int64_t>::min();
      for (int64_t i = first; i < last; ++i) {
        const int64_t time = rows.keys.time(row(i));
        group.time_min_us = std::min(group.time_min_us, time);
        group.time_max_us = std::max(group.time_max_us, time);
      }
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

Result<AddFile> WriteRun(const RowsToWrite& rows, const TableState& state, const RunLayout& layout,
                         int64_t number, int64_t begin, int64_t end, int64_t now_us,
                         NewFiles* files) {
  ARROW_ASSIGN_OR_RAISE(const BatchPtr stored, StoredSlice(rows, state.columns, begin, end));
  const auto groups = RowGroupsOf(rows, begin, end, layout.row_group_rows);
  const auto footer = arrow::key_value_metadata({std::string(kRowGroupsKey)},
                                                {RowGroupsToText(groups)});

  AddFile add;
  add.path = fmt::format("part-{:05d}-{}.parquet", number, NewUuid());
  ARROW_ASSIGN_OR_RAISE(add.size_bytes,
                        WriteParquet(add.path, stored, layout,
                                     NamesInFiles(PositionColumns(state.options), state.columns),
                                     footer, files));
  add.modification_time_ms = now_us / 1000;
  ARROW_ASSIGN_OR_RAISE(add.stats, StatsText(*stored));
  const auto row = [&](int64_t i) { return rows.order.order.empty() ? i : rows.order.order[i]; };
  RunTags run{.unique = rows.order.unique,
              .row_count = end - begin,
              .low = rows.keys.Position(row(begin)),
              .high = rows.keys.Position(row(end - 1))};
  if (rows.keys.times() != nullptr) {
    run.time_min_us = groups[0].time_min_us;
    run.time_max_us = groups[0].time_max_us;
    for (const RunFile::RowGroup& group : groups) {
      run.time_min_us = std::min(run.time_min_us, group.time_min_us);
      run.time_max_us = std::max(run.time_max_us, group.time_max_us);
    }
  }
  PutRunTags(run, state.options, &add);
  return add;
}

}  // namespace

NewFiles::~NewFiles() {
  for (const std::string& path : paths_) {
    const Status removed = file_system_->Remove(JoinPath(table_path_, path));
    if (!removed.ok()) LogWarn(removed.message());
  }
}

void NewFiles::Add(const std::string& path) {
  std::lock_guard lock(mutex_);
  paths_.insert(path);
}

void NewFiles::KeepNamedBy(const std::vector<Action>& actions) {
  std::lock_guard lock(mutex_);
  for (const Action& action : actions) {
    if (const auto* change = std::get_if<ChangeFile>(&action)) paths_.erase(change->path);
    const auto* add = std::get_if<AddFile>(&action);
    if (add == nullptr) continue;
    paths_.erase(add->path);
    if (!add->vector) continue;
    const Result<std::string> path = VectorPath(*add->vector);
    if (path.ok()) paths_.erase(*path);
  }
}

Result<RowsToWrite> RowsToWrite::Make(BatchPtr rows, const TableOptions& options) {
  if (rows->num_rows() >= UINT32_MAX) {
    return Status::CapacityError("a write of ", rows->num_rows(), " rows; write fewer at once");
  }
  RowsToWrite write;
  ARROW_ASSIGN_OR_RAISE(write.keys, RowKeys::Of(*rows, options));
  write.order = SortRows(write.keys);
  write.rows = std::move(rows);
  return write;
}

Result<RunLayout> RunLayout::Of(const TableState& state) {
  RunLayout layout;
  ARROW_ASSIGN_OR_RAISE(layout.max_file_rows,
                        PositiveProperty(state, "tercet.max_file_rows", layout.max_file_rows));
  ARROW_ASSIGN_OR_RAISE(layout.row_group_rows,
                        PositiveProperty(state, "tercet.row_group_rows", layout.row_group_rows));
  if (const std::string* name = state.Property("tercet.compression")) layout.compression = *name;
  ARROW_RETURN_NOT_OK(arrow::util::Codec::GetCompressionType(layout.compression));
  return layout;
}

Result<std::vector<AddFile>> WriteRuns(const RowsToWrite& rows, const TableState& state,
                                       int64_t now_us, NewFiles* files) {
  const int64_t count = rows.rows->num_rows();
  if (count == 0) return std::vector<AddFile>();
  ARROW_ASSIGN_OR_RAISE(const RunLayout layout, RunLayout::Of(state));
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(*rows.rows));
  const int64_t by_size = std::max<int64_t>(1, layout.max_file_bytes / (bytes / count + 1));
  const int64_t file_rows = std::min(layout.max_file_rows, by_size);
  const int64_t file_count = (count + file_rows - 1) / file_rows;
  // Rows of one position stay in one file, so that which is the later one never depends on files.
  std::vector<int64_t> cuts(file_count + 1, count);
  for (int64_t i = 0; i < file_count; ++i) {
    cuts[i] = i == 0 ? 0 : std::max(cuts[i - 1], count * i / file_count);
    const auto row = [&](int64_t k) { return rows.order.order.empty() ? k : rows.order.order[k]; };
    while (i > 0 && cuts[i] > 0 && cuts[i] < count &&
           rows.keys.Compare(row(cuts[i] - 1), rows.keys, row(cuts[i])) == 0) {
      ++cuts[i];
    }
  }
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  std::vector<AddFile> adds(cuts.size() - 1);
  ARROW_RETURN_NOT_OK(ParallelFor(static_cast<int64_t>(adds.size()), [&](int64_t i) -> Status {
    ARROW_ASSIGN_OR_RAISE(
        adds[i], WriteRun(rows, state, layout, i, cuts[i], cuts[i + 1], now_us, files));
    return Status::OK();
  }));
  return adds;
}

}  // namespace tercet
