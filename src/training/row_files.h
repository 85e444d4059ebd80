#pragma once

#include <string>
#include <utility>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// "parquet", "arrow" (IPC file), "csv" or "tfrecord" (tfrecord.h); Invalid for others.
Status CheckRowFormat(const std::string& format);

/// Files that are written under other names and get their own together, when all are whole: what
/// fails in between (a full disk) leaves nothing half written, and files that were there as they
/// were.
class WholeFiles {
 public:
  WholeFiles() = default;
  ~WholeFiles();
  WholeFiles(const WholeFiles&) = delete;
  WholeFiles& operator=(const WholeFiles&) = delete;

  /// The name under which to write the file of this path for now.
  std::string NameFor(const std::string& path);
  /// Gives all files their own names.
  Status Publish();

 private:
  std::vector<std::pair<std::string, std::string>> files_;  // name for now, then path
};

/// Writes rows to a file as they come; memory is a row group. The file has no name of its own yet:
/// `name` is where it is written, `path` what errors call it.
Status WriteRows(arrow::RecordBatchReader* rows, const std::string& format,
                 const std::string& name, const std::string& path);

/// The same to a path, which has the whole file when this returns OK and is as it was when not.
Status ExportRows(arrow::RecordBatchReader* rows, const std::string& format,
                  const std::string& path);

}  // namespace tercet
