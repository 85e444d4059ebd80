#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/row_gather.h"
#include "offline/row_keys.h"
#include "offline/run_file.h"

namespace tercet {

/// Rows with their positions. `keys` is empty when nobody asked for it.
struct KeyedRows {
  std::shared_ptr<arrow::RecordBatch> rows;
  RowKeys keys;
};

/// Rows in ascending order of position, batch by batch. Used by one thread at a time.
class RowStream {
 public:
  virtual ~RowStream() = default;
  /// The next batch, never an empty one; nullopt at the end.
  virtual Result<std::optional<KeyedRows>> Next() = 0;
};

/// Rows of one file in ascending order of position, not yet brought together: where a merge puts
/// them between others, each value is copied once, from the file's pages.
struct LooseRows {
  /// Rows [begin, begin + count) of `source`.
  struct Span {
    uint32_t begin = 0;
    uint32_t count = 0;
  };
  SourceRows source;       ///< the request's columns
  std::vector<Span> live;  ///< the rows that count, ascending: others are deleted
  int64_t count = 0;       ///< live rows
  RowKeys keys;            ///< of the live rows
};

/// The rows of one file.
class RunStream : public RowStream {
 public:
  /// As Next, with keys; a stream is asked by one of the two only.
  virtual Result<std::optional<LooseRows>> NextLoose() = 0;
};

/// What of a run is wanted.
struct RunRequest {
  std::vector<std::string> columns;  ///< to deliver, in this order
  bool with_keys = false;            ///< deliver positions; the key columns must be in `columns`
  std::optional<int64_t> start_us, end_us;  ///< event time in [start, end)
  std::string low, high;                    ///< position in [low, high); empty: no bound
  /// Only rows of these primary keys: sorted, each once; null: all. No event time in them.
  std::shared_ptr<const RowKeys> only;

  /// Whether rows must be looked at one by one.
  bool FiltersRows() const {
    return start_us || end_us || !low.empty() || !high.empty() || only != nullptr;
  }
  /// Whether a file or a row group between these positions and times may hold a wanted row.
  /// Empty high: no bound is known.
  bool MayHold(const std::string& first, const std::string& last, int64_t time_min_us,
               int64_t time_max_us) const;
};

/// Opens the files of one table for one reader.
class RunOpener {
 public:
  RunOpener(std::shared_ptr<FileSystem> file_system, std::string table_path, TableColumns columns,
            TableOptions options)
      : file_system_(std::move(file_system)),
        table_path_(std::move(table_path)),
        columns_(std::move(columns)),
        options_(std::move(options)) {}

  Result<std::shared_ptr<RunFile>> Open(const DataFilePtr& file) const {
    return RunFile::Open(file_system_, table_path_, file, columns_);
  }
  /// Says that these will be opened, in this order: from far away, as many of the first as take
  /// little memory or disk are fetched at once.
  void Prefetch(const std::vector<DataFilePtr>& files) const;
  const TableColumns& columns() const { return columns_; }
  const TableOptions& options() const { return options_; }

 private:
  const std::shared_ptr<FileSystem> file_system_;
  const std::string table_path_;
  const TableColumns columns_;
  const TableOptions options_;
};

/// The wanted rows of one file, deleted ones left out, each position once (the later row wins). A
/// foreign file is read whole and sorted first.
Result<std::unique_ptr<RunStream>> OpenRun(const std::shared_ptr<const RunOpener>& opener,
                                           const DataFilePtr& file, const RunRequest& request);

/// The wanted rows of several files in one order, each position once: the later commit wins, then
/// the later row. Files are opened when their rows come up, so memory is one row group of each of
/// the files that overlap at a time; where none overlap, batches pass through as they are.
std::unique_ptr<RowStream> MergeRuns(std::shared_ptr<const RunOpener> opener,
                                     std::vector<DataFilePtr> files, RunRequest request);

}  // namespace tercet
