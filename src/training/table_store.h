#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <arrow/ipc/writer.h>
#include <arrow/table.h>

#include "base/result.h"
#include "offline/scratch_file.h"

namespace tercet {

/// Where the tables of a dataset are kept while it is made and after: in memory, or, once it is
/// said that they don't fit, in nameless mapped scratch files, whose pages are the system's. Tables
/// of either kind are used alike, and are equal.
class TableStore {
 public:
  /// `folder`: of a local disk.
  TableStore(int64_t limit_bytes, std::string folder)
      : limit_bytes_(limit_bytes), folder_(std::move(folder)) {}

  int64_t limit_bytes() const { return limit_bytes_; }
  const std::string& folder() const { return folder_; }
  bool spills() const { return spills_; }
  void Spill() { spills_ = true; }

 private:
  const int64_t limit_bytes_;
  const std::string folder_;
  bool spills_ = false;
};

/// Rows of a stored table that are made and written at once; chunks of a stored table have so many,
/// but for the last.
inline constexpr int64_t kStoredRows = 65536;

/// Writes a table to a scratch file bit by bit.
class ScratchTable {
 public:
  static Result<std::unique_ptr<ScratchTable>> Make(const std::string& folder,
                                                    const std::shared_ptr<arrow::Schema>& schema);
  /// Rows behind those before, of the schema's types.
  Status Append(const arrow::Table& rows);
  /// All rows, mapped; the file lives as long as they do.
  Result<std::shared_ptr<arrow::Table>> Finish();

 private:
  std::unique_ptr<ScratchFile> file_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

/// A table made slice by slice of another one's rows: `make(slice)` for each kStoredRows rows,
/// several at once, put together in order in the store. `slice` has one chunk a column.
Result<std::shared_ptr<arrow::Table>> StoreSlices(
    const TableStore& store, const std::shared_ptr<arrow::Table>& rows,
    const std::function<Result<std::shared_ptr<arrow::Table>>(
        const std::shared_ptr<arrow::Table>& slice)>& make);

}  // namespace tercet
