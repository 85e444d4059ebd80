#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "source/record_sink.h"

namespace tercet {

struct ParquetSinkOptions {
  int64_t file_bytes = 64 << 20;     ///< of a journal, at which its files are made
  std::chrono::seconds age{60};      ///< and the age of its first record
};

/// Parquet files in `folder`, which is made: NAME-<time>-<id>.parquet, complete from the moment
/// that they have that name. Records are kept, durably, in a journal with a hidden name, which
/// becomes a file when it is full or old enough, or by Publish; records of other columns (another
/// release's) become a file of their own. A journal whose process is gone becomes a file by the
/// next sink that is opened on the folder under that name: what was kept is lost by no crash, and
/// is in one file only, since the file's name is the journal's. Several processes share a folder.
Result<std::unique_ptr<RecordSink>> OpenParquetSink(const std::string& folder,
                                                    const std::string& name,
                                                    const ParquetSinkOptions& options = {});

}  // namespace tercet
