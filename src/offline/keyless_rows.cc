#include "offline/keyless_rows.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <arrow/table.h>
#include <fmt/format.h>

#include "base/id.h"
#include "offline/file_columns.h"
#include "offline/file_stats.h"
#include "offline/parquet_output.h"
#include "offline/position_columns.h"
#include "offline/row_gather.h"

namespace tercet {

RowsByPosition RowsByPosition::Of(const arrow::RecordBatch& rows, const TableOptions& options) {
  std::vector<std::shared_ptr<arrow::Array>> with_nulls;
  for (const std::string& name : PositionColumns(options)) {
    auto column = rows.GetColumnByName(name);
    if (column != nullptr && column->null_count() > 0) with_nulls.push_back(std::move(column));
  }
  RowsByPosition split;
  for (int64_t i = 0; i < rows.num_rows(); ++i) {
    bool valid = true;
    for (const auto& column : with_nulls) valid = valid && column->IsValid(i);
    (valid ? split.with : split.without).push_back(static_cast<uint32_t>(i));
  }
  return split;
}

Result<std::shared_ptr<arrow::RecordBatch>> ReadKeylessRows(const RunFile& run,
                                                            const arrow::Schema& columns,
                                                            const TableOptions& options) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> found;
  for (size_t g = 0; g < run.row_groups().size(); ++g) {
    const int group = static_cast<int>(g);
    ARROW_ASSIGN_OR_RAISE(const auto keys, run.Read(group, PositionColumns(options)));
    std::vector<uint32_t> without = RowsByPosition::Of(*keys, options).without;
    std::erase_if(without, [&](uint32_t row) {
      return std::binary_search(run.deleted().begin(), run.deleted().end(),
                                run.row_groups()[g].first_row + row);
    });
    if (without.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(const auto rows, run.Read(group, columns));
    ARROW_ASSIGN_OR_RAISE(found.emplace_back(), GatherRows(*rows, without));
  }
  if (found.empty()) return nullptr;
  return arrow::ConcatenateRecordBatches(found);
}

Result<std::vector<AddFile>> WriteKeylessRows(const std::shared_ptr<arrow::RecordBatch>& rows,
                                              const TableState& state, int64_t now_us,
                                              NewFiles* files) {
  if (rows->num_rows() == 0) return std::vector<AddFile>();
  ARROW_ASSIGN_OR_RAISE(const RunLayout layout, RunLayout::Of(state));
  ARROW_ASSIGN_OR_RAISE(const auto in_file, ToFileRows(*rows, state.columns));
  AddFile add;
  add.path = fmt::format("part-00000-{}.parquet", NewUuid());
  ARROW_ASSIGN_OR_RAISE(const auto output,
                        ParquetOutput::Open(add.path, in_file->schema(), layout, {}, files));
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches({in_file}));
  for (int64_t first = 0; first < table->num_rows(); first += layout.row_group_rows) {
    ARROW_RETURN_NOT_OK(output->WriteGroup(*table->Slice(first, layout.row_group_rows)));
  }
  ARROW_ASSIGN_OR_RAISE(add.size_bytes, output->Close(nullptr));
  add.modification_time_ms = now_us / 1000;
  ARROW_ASSIGN_OR_RAISE(add.stats, StatsText(*in_file));
  PutKeylessTag(state.options, &add);
  return std::vector<AddFile>{std::move(add)};
}

Result<std::vector<AddFile>> WriteForeignRows(std::shared_ptr<arrow::RecordBatch> rows,
                                              const TableState& state, int64_t now_us,
                                              NewFiles* files) {
  const RowsByPosition split = RowsByPosition::Of(*rows, state.options);
  std::vector<AddFile> adds;
  if (!split.without.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto keyless, GatherRows(*rows, split.without));
    ARROW_ASSIGN_OR_RAISE(adds, WriteKeylessRows(keyless, state, now_us, files));
    ARROW_ASSIGN_OR_RAISE(rows, GatherRows(*rows, split.with));
  }
  ARROW_ASSIGN_OR_RAISE(const RowsToWrite sorted,
                        RowsToWrite::Make(std::move(rows), state.options));
  ARROW_ASSIGN_OR_RAISE(std::vector<AddFile> runs, WriteRuns(sorted, state, now_us, files));
  std::move(runs.begin(), runs.end(), std::back_inserter(adds));
  return adds;
}

}  // namespace tercet
