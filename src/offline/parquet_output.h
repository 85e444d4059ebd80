#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>

#include "base/file_system.h"
#include "base/result.h"
#include "offline/run_writer.h"

namespace parquet::arrow {
class FileWriter;
}

namespace tercet {

/// Syncs a file while it is still being written, so that the disk works beside the encoder and the
/// last sync has little left to do.
class EarlySync {
 public:
  EarlySync(FileSystem* file_system, std::string path)
      : file_system_(file_system), path_(std::move(path)) {}

  /// Begins a sync of what was written so far, unless one is under way.
  Status Begin();
  /// Makes the whole file durable. An error of an earlier sync counts: the kernel tells it once.
  Status Finish();

 private:
  FileSystem* const file_system_;
  const std::string path_;
  std::future<Status> running_;
};

/// A new Parquet file of a table, written a row group at a time. One thread at a time.
class ParquetOutput {
 public:
  /// `path` is relative to the table; `indexed_columns` get page indexes.
  static Result<std::unique_ptr<ParquetOutput>> Open(
      const std::string& path, const std::shared_ptr<arrow::Schema>& schema,
      const RunLayout& layout, const std::vector<std::string>& indexed_columns, NewFiles* files);
  ~ParquetOutput();

  /// One row group of at most RunLayout::row_group_rows rows; none when there are no rows.
  Status WriteGroup(const arrow::Table& rows);
  /// Writes the footer (`pairs` may be null) and syncs. The size in bytes.
  Result<int64_t> Close(const std::shared_ptr<arrow::KeyValueMetadata>& pairs);

 private:
  ParquetOutput(std::string whole_path, NewFiles* files);

  const std::string whole_path_;
  NewFiles* const files_;
  std::shared_ptr<arrow::io::OutputStream> sink_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  EarlySync sync_;
  int groups_ = 0;
};

}  // namespace tercet
