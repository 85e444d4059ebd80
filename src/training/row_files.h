#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "base/result.h"
#include "training/whole_files.h"

namespace tercet {

/// "parquet", "arrow" (IPC file), "csv" or "tfrecord" (tfrecord.h); Invalid for others.
Status CheckRowFormat(const std::string& format);

/// Writes rows to a file as they come; memory is a row group. The file has no name of its own yet:
/// `name` is where it is written, `path` what errors call it.
Status WriteRows(arrow::RecordBatchReader* rows, const std::string& format,
                 const std::string& name, const std::string& path);

struct RowFileOptions {
  std::string format = "parquet";
  /// Of Parquet: "zstd" (when empty), "snappy", "lz4", "gzip" or "none". Its numbers have no
  /// dictionaries: written are predictions, which hardly repeat.
  std::string compression;
};
/// Invalid for a format or a compression that there is not.
Status CheckRowFileOptions(const RowFileOptions& options);

class RowFile;

/// A file of rows that are written as they come, by one thread at a time; memory is a row group.
class RowFileWriter {
 public:
  /// IOError when there can't be a file in the path's folder.
  static Result<std::unique_ptr<RowFileWriter>> Open(const std::string& path,
                                                     const std::shared_ptr<arrow::Schema>& schema,
                                                     const RowFileOptions& options);
  /// What was not published is removed.
  ~RowFileWriter();
  Status Write(const arrow::Table& rows);
  /// Gives the whole file its path, durably; its size in bytes.
  Result<int64_t> Publish();

 private:
  explicit RowFileWriter(std::string path);

  const std::string path_;
  WholeFiles files_;
  std::string name_;  ///< for now
  std::shared_ptr<arrow::io::OutputStream> sink_;
  std::unique_ptr<RowFile> file_;
};

/// The same to a path, which has the whole file when this returns OK and is as it was when not.
Status ExportRows(arrow::RecordBatchReader* rows, const std::string& format,
                  const std::string& path);

}  // namespace tercet
