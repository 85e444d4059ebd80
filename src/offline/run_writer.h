#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/file_system.h"
#include "base/result.h"
#include "offline/action.h"
#include "offline/delta_schema.h"
#include "offline/row_keys.h"
#include "offline/table_state.h"

namespace tercet {

/// Files that a write made and that no commit names yet. Those that no commit came to name are
/// removed again, so that a failed or lost attempt leaves nothing behind. Thread-safe.
class NewFiles {
 public:
  NewFiles(std::shared_ptr<FileSystem> file_system, std::string table_path)
      : file_system_(std::move(file_system)), table_path_(std::move(table_path)) {}
  ~NewFiles();
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  void Add(const std::string& path);
  /// A commit of these actions was made, or may have been: what it names stays.
  void KeepNamedBy(const std::vector<Action>& actions);

  FileSystem* file_system() const { return file_system_.get(); }
  const std::string& table_path() const { return table_path_; }

 private:
  const std::shared_ptr<FileSystem> file_system_;
  const std::string table_path_;
  std::mutex mutex_;
  std::set<std::string> paths_;  // guarded by mutex_
};

/// Rows (of logical types, all columns) with their positions and their order.
struct RowsToWrite {
  std::shared_ptr<arrow::RecordBatch> rows;
  RowKeys keys;
  RowOrder order;

  static Result<RowsToWrite> Make(std::shared_ptr<arrow::RecordBatch> rows,
                                  const TableOptions& options);
};

/// How files are laid out; from the table's properties.
struct RunLayout {
  int64_t max_file_rows = 1'500'000;
  int64_t max_file_bytes = int64_t{256} << 20;
  int64_t row_group_rows = 131'072;
  std::string compression = "uncompressed";  ///< or "snappy", "zstd", "lz4", "gzip"

  /// From `tercet.compression`, `tercet.max_file_rows`, `tercet.row_group_rows`. Invalid when one
  /// can't be understood.
  static Result<RunLayout> Of(const TableState& state);
};

/// Writes rows as sorted runs that don't overlap, in as many files as their size asks for, and
/// syncs them. The log entries have statistics and tags; no data is visible yet.
Result<std::vector<AddFile>> WriteRuns(const RowsToWrite& rows, const TableState& state,
                                       int64_t now_us, NewFiles* files);

}  // namespace tercet
