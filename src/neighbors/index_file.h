#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <arrow/buffer.h>
#include <arrow/record_batch.h>

#include "base/file_system.h"
#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// An index on the local disk, so that a graph need not be built when a process starts:
///
///     "TCTNEAR1"                    8 bytes
///     length of the head            4 bytes, little-endian, as all that follows
///     head                          JSON: what it is of ("of"), "rows", "keys", "graph" (bytes)
///     keys                          an Arrow IPC stream of one batch
///     vectors                       rows × dimension floats
///     graph                         HnswGraph::Save's
///     checksum                      8 bytes: XXH3 over all before, block by block
///
/// It is a proposal, as all in an index is: which of its rows are still so is asked of the online
/// store, so neither an old file nor another process's can do harm.
struct IndexFile {
  std::shared_ptr<arrow::RecordBatch> keys;
  std::string_view vectors;  ///< floats at any address
  std::string_view graph;
  std::shared_ptr<arrow::Buffer> memory;  ///< that all of it lies in
};

/// KeyError when there is none; Invalid when it is damaged, or of something else than `of`.
Result<IndexFile> ReadIndexFile(FileSystem* files, const std::string& path, const json::object& of,
                                size_t dimension);

/// Writes one in pieces, and under its name at once at the end: keys, then vectors, then the graph.
class IndexFileWriter {
 public:
  /// Of so many rows as `keys` has and a graph of `graph_bytes`.
  static Result<std::unique_ptr<IndexFileWriter>> Open(FileSystem* files, const std::string& path,
                                                       const json::object& of,
                                                       const arrow::RecordBatch& keys,
                                                       size_t graph_bytes);
  /// Takes what was written away, unless it was published.
  ~IndexFileWriter();

  Status Write(std::string_view bytes);
  /// Puts the file in place of the one before, durably.
  Status Publish();

 private:
  IndexFileWriter(FileSystem* files, const std::string& path);
  Status WriteBlock();

  FileSystem* const files_;
  const std::string path_, temporary_;
  std::shared_ptr<arrow::io::OutputStream> stream_;
  std::string block_;
  uint64_t checksum_ = 0;
  bool published_ = false;
};

}  // namespace tercet
