#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "offline/file_stats.h"
#include "offline/parquet_output.h"
#include "offline/row_spool.h"
#include "offline/row_stream.h"
#include "offline/run_writer.h"
#include "offline/table_state.h"

namespace tercet {

/// Writes rows that come in order of position as sorted runs that don't overlap, a row group at a
/// time, so that memory is two row groups however many rows there are. Rows of one position stay
/// in one file, so that which is the later one never depends on files. One thread at a time; while
/// a row group is written the next one may be appended.
class RunSink {
 public:
  /// `expected_rows`: about how many will come, so that files are of equal size. Row groups have
  /// at most `memory_bytes` / 16 of values. `state` and `files` must outlive the sink.
  static Result<std::unique_ptr<RunSink>> Make(const TableState* state, int64_t expected_rows,
                                               int64_t memory_bytes, int64_t now_us,
                                               NewFiles* files);
  ~RunSink();

  /// Rows of all of the table's columns and of logical types, at or behind those before.
  Status Append(const KeyedRows& rows);
  int64_t row_count() const { return total_rows_; }
  /// Ends and syncs the last file. The log's entries, as WriteRuns gives them.
  Result<std::vector<AddFile>> Finish();

 private:
  /// A file that is being written.
  struct Output {
    AddFile add;
    std::unique_ptr<ParquetOutput> parquet;
    FileStats stats;
    RunTags run;
    std::vector<RunFile::RowGroup> groups;
  };

  RunSink(const TableState* state, RunLayout layout, int64_t memory_bytes, int64_t now_us,
          NewFiles* files)
      : state_(state),
        layout_(std::move(layout)),
        memory_bytes_(memory_bytes),
        now_us_(now_us),
        files_(files) {}

  Status OpenFile();
  Status CloseFile();
  /// Rows [begin, end) of one file and row group.
  Status Buffer(const KeyedRows& rows, int64_t begin, int64_t end);
  /// Hands the buffered rows over to a thread that writes them.
  Status FlushGroup();
  Status AwaitGroup();
  static Status WriteGroup(const TableColumns& columns,
                           const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                           Output* output);

  const TableState* const state_;
  const RunLayout layout_;
  const int64_t memory_bytes_;
  const int64_t now_us_;
  NewFiles* const files_;
  int64_t file_rows_ = 0;  ///< that a file is to have
  int64_t group_rows_ = 0;
  int64_t row_bytes_ = 1;
  int64_t total_rows_ = 0;
  std::unique_ptr<Output> output_;  ///< null before the first row of a file
  std::string last_position_;       ///< of the last row that was appended
  std::vector<std::shared_ptr<arrow::RecordBatch>> buffered_;
  int64_t buffered_rows_ = 0;
  int64_t output_bytes_ = 0;  ///< about what the file has, buffered rows included
  std::vector<AddFile> adds_;
  std::future<Status> writing_;  ///< last: joined before what it uses goes
};

/// Writes all rows: at once where they are in memory, else as they come off the disk.
Result<std::vector<AddFile>> WriteSpool(const RowSpool& rows, const TableState& state,
                                        int64_t memory_bytes, int64_t now_us, NewFiles* files);

}  // namespace tercet
