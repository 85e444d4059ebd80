#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/ipc/reader.h>

#include "base/result.h"
#include "offline/row_stream.h"
#include "offline/run_writer.h"

namespace tercet {

/// Sorted runs of rows in scratch files, which are merged again. A run's rows are mapped, so all
/// that memory holds of a merge is the keys of one batch of each run and the batch that is made.
class SpilledRuns {
 public:
  /// `schema` has the key columns of `options`; scratch files are made in `folder`.
  /// `memory_bytes`: what a merge may take, about.
  SpilledRuns(std::shared_ptr<arrow::Schema> schema, TableOptions options, std::string folder,
              int64_t memory_bytes);
  ~SpilledRuns();

  /// Adds a run; its rows come behind those of earlier runs at equal positions.
  Status Add(const RowsToWrite& rows);
  /// The same of rows that are in order, each position once.
  Status Add(RowStream* rows);

  size_t size() const { return runs_.size(); }
  int64_t row_count() const { return row_count_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  const TableOptions& options() const { return options_; }

  /// All rows in order of position, with keys: all of them in the order in which they came, or with
  /// `only_last` of each position the one of the latest run. `columns` include the key columns.
  static Result<std::unique_ptr<RowStream>> Merge(std::shared_ptr<const SpilledRuns> runs,
                                                  const std::vector<std::string>& columns,
                                                  bool only_last);

 private:
  class MergeStream;
  struct Run {
    std::shared_ptr<arrow::ipc::RecordBatchFileReader> batches;
  };
  class RunWriter;

  /// Rows of a batch of this many bytes a row.
  int64_t BatchRows(int64_t row_bytes) const;

  const std::shared_ptr<arrow::Schema> schema_;
  const TableOptions options_;
  const std::string folder_;
  const int64_t memory_bytes_;
  std::vector<Run> runs_;
  int64_t row_count_ = 0;
};

}  // namespace tercet
