#include "offline/run_sink.h"

#include <algorithm>

#include <arrow/table.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "base/id.h"
#include "offline/file_columns.h"
#include "offline/position_columns.h"

namespace tercet {
namespace {

/// Row groups have at least so many rows, however wide these are.
constexpr int64_t kLeastGroupRows = 64;

}  // namespace

Result<std::unique_ptr<RunSink>> RunSink::Make(const TableState* state, int64_t expected_rows,
                                               int64_t memory_bytes, int64_t now_us,
                                               NewFiles* files) {
  ARROW_ASSIGN_OR_RAISE(RunLayout layout, RunLayout::Of(*state));
  std::unique_ptr<RunSink> sink(
      new RunSink(state, std::move(layout), memory_bytes, now_us, files));
  const int64_t most = sink->layout_.max_file_rows;
  const int64_t file_count = std::max<int64_t>(1, (expected_rows + most - 1) / most);
  sink->file_rows_ = std::clamp<int64_t>((expected_rows + file_count - 1) / file_count, 1, most);
  return sink;
}

RunSink::~RunSink() {
  if (writing_.valid()) writing_.wait();
}

Status RunSink::OpenFile() {
  output_ = std::make_unique<Output>();
  output_->add.path = fmt::format("part-{:05d}-{}.parquet", adds_.size(), NewUuid());
  output_->run.unique = true;
  output_bytes_ = 0;
  ARROW_ASSIGN_OR_RAISE(output_->parquet,
                        ParquetOutput::Open(
                            output_->add.path, state_->columns.physical, layout_,
                            NamesInFiles(PositionColumns(state_->options), state_->columns),
                            files_));
  return Status::OK();
}

Status RunSink::Append(const KeyedRows& rows) {
  const int64_t n = rows.rows->num_rows();
  if (n == 0) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(*rows.rows));
  row_bytes_ = bytes / n + 1;
  group_rows_ = std::clamp(memory_bytes_ / 16 / row_bytes_, kLeastGroupRows,
                           std::max(layout_.row_group_rows, kLeastGroupRows));
  group_rows_ = std::min(group_rows_, layout_.row_group_rows);
  for (int64_t begin = 0; begin < n;) {
    int64_t room = file_rows_;
    if (output_ != nullptr) {
      const bool full =
          output_->run.row_count >= file_rows_ || output_bytes_ >= layout_.max_file_bytes;
      if (full && rows.keys.Position(begin) != last_position_) {
        ARROW_RETURN_NOT_OK(CloseFile());
        continue;
      }
      // A full file takes the other rows of its last position, too.
      room = full ? 1 : file_rows_ - output_->run.row_count;
    } else {
      ARROW_RETURN_NOT_OK(OpenFile());
    }
    if (buffered_rows_ >= group_rows_) ARROW_RETURN_NOT_OK(FlushGroup());
    const int64_t end = std::min({n, begin + room, begin + group_rows_ - buffered_rows_});
    ARROW_RETURN_NOT_OK(Buffer(rows, begin, end));
    begin = end;
  }
  return Status::OK();
}

Status RunSink::Buffer(const KeyedRows& rows, int64_t begin, int64_t end) {
  const RowKeys& keys = rows.keys;
  RunTags& run = output_->run;
  std::string first = keys.Position(begin);
  if (run.row_count == 0) {
    run.low = first;
  } else if (first == last_position_) {
    run.unique = false;
  }
  for (int64_t i = begin + 1; i < end && run.unique; ++i) {
    run.unique = keys.Compare(i - 1, keys, i) != 0;
  }
  if (buffered_rows_ == 0) {
    RunFile::RowGroup group{.first_row = run.row_count, .row_count = 0, .low = std::move(first)};
    if (keys.times() != nullptr) {
      group.time_min_us = std::numeric_limits<int64_t>::max();
      group.time_max_us = std::numeric_limits<int64_t>::min();
    }
    output_->groups.push_back(std::move(group));
  }
  RunFile::RowGroup& group = output_->groups.back();
  if (keys.times() != nullptr) {
    const auto [least, most] = std::minmax_element(keys.times() + begin, keys.times() + end);
    group.time_min_us = std::min(group.time_min_us, *least);
    group.time_max_us = std::max(group.time_max_us, *most);
  }
  group.row_count += end - begin;
  run.row_count += end - begin;
  total_rows_ += end - begin;
  buffered_.push_back(rows.rows->Slice(begin, end - begin));
  buffered_rows_ += end - begin;
  output_bytes_ += (end - begin) * row_bytes_;
  last_position_ = keys.Position(end - 1);
  return Status::OK();
}

Status RunSink::WriteGroup(const TableColumns& columns,
                           const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                           Output* output) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> stored;
  for (const auto& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(stored.emplace_back(), ToFileRows(*batch, columns));
    ARROW_RETURN_NOT_OK(output->stats.Add(*stored.back()));
  }
  ARROW_ASSIGN_OR_RAISE(const auto table,
                        arrow::Table::FromRecordBatches(columns.physical, std::move(stored)));
  return output->parquet->WriteGroup(*table);
}

Status RunSink::AwaitGroup() { return writing_.valid() ? writing_.get() : Status::OK(); }

Status RunSink::FlushGroup() {
  ARROW_RETURN_NOT_OK(AwaitGroup());
  if (buffered_rows_ == 0) return Status::OK();
  writing_ = std::async(std::launch::async, [this, batches = std::move(buffered_)] {
    return WriteGroup(state_->columns, batches, output_.get());
  });
  buffered_.clear();
  buffered_rows_ = 0;
  return Status::OK();
}

Status RunSink::CloseFile() {
  ARROW_RETURN_NOT_OK(FlushGroup());
  ARROW_RETURN_NOT_OK(AwaitGroup());
  Output& output = *output_;
  const auto footer = arrow::key_value_metadata({std::string(kRowGroupsKey)},
                                                {RowGroupsToText(output.groups)});
  ARROW_ASSIGN_OR_RAISE(output.add.size_bytes, output.parquet->Close(footer));
  output.add.modification_time_ms = now_us_ / 1000;
  ARROW_ASSIGN_OR_RAISE(output.add.stats, output.stats.Text());
  output.run.high = last_position_;
  if (!state_->options.event_time.empty()) {
    output.run.time_min_us = std::numeric_limits<int64_t>::max();
    output.run.time_max_us = std::numeric_limits<int64_t>::min();
    for (const RunFile::RowGroup& group : output.groups) {
      output.run.time_min_us = std::min(output.run.time_min_us, group.time_min_us);
      output.run.time_max_us = std::max(output.run.time_max_us, group.time_max_us);
    }
  }
  PutRunTags(output.run, state_->options, &output.add);
  adds_.push_back(std::move(output.add));
  output_ = nullptr;
  return Status::OK();
}

Result<std::vector<AddFile>> RunSink::Finish() {
  if (output_ != nullptr) ARROW_RETURN_NOT_OK(CloseFile());
  return std::move(adds_);
}

Result<std::vector<AddFile>> WriteSpool(const RowSpool& rows, const TableState& state,
                                        int64_t memory_bytes, int64_t now_us, NewFiles* files) {
  if (!rows.spilled()) return WriteRuns(rows.rows(), state, now_us, files);
  ARROW_ASSIGN_OR_RAISE(const auto sink,
                        RunSink::Make(&state, rows.row_count(), memory_bytes, now_us, files));
  ARROW_ASSIGN_OR_RAISE(const auto stream, rows.Stream());
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const std::optional<KeyedRows> next, stream->Next());
    if (!next) return sink->Finish();
    ARROW_RETURN_NOT_OK(sink->Append(*next));
  }
}

}  // namespace tercet
