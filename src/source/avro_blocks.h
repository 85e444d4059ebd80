#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/compression.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// The blocks of an Avro object container file
/// (https://avro.apache.org/docs/1.12.0/specification/#object-container-files), one in memory at a
/// time. Blocks may be compressed (deflate, zstandard, snappy).
class AvroBlocks {
 public:
  /// Reads what stands before the first block. Invalid for what is no such file or is cut off;
  /// NotImplemented for another compression.
  static Result<AvroBlocks> Open(std::shared_ptr<arrow::io::RandomAccessFile> file);

  /// The type of the file's items.
  const json::value& schema() const { return schema_; }

  struct Block {
    int64_t count = 0;       ///< of items that it says it has
    std::string_view bytes;  ///< until the next call
  };

  /// Moves to the next block; false at the end of the file. Invalid for what is cut off or damaged.
  Result<bool> Next(Block* block);

 private:
  AvroBlocks() = default;
  Status ReadHeader();
  Result<std::string_view> Read(int64_t size);

  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  int64_t size_ = 0, offset_ = 0;
  json::value schema_;
  std::unique_ptr<arrow::util::Codec> codec_;  // null: blocks are stored as they are
  std::string marker_;                         // ends each block
  std::shared_ptr<arrow::Buffer> stored_;      // what was read last
  std::string decompressed_;
};

}  // namespace tercet
