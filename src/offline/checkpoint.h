#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "base/result.h"
#include "offline/action.h"
#include "offline/checkpoint_files.h"
#include "offline/table_state.h"

namespace tercet {

/// What the parts of a checkpoint hold.
struct CheckpointContent {
  std::optional<Protocol> protocol;
  std::optional<Metadata> metadata;
  std::vector<Transaction> transactions;
  std::vector<AddColumns> adds;
  std::vector<RemoveFile> removes;
};

/// Reads one Parquet file of a classic checkpoint and adds to `content`, straight from its columns.
/// Invalid when a column is not what the protocol says.
Status ReadCheckpoint(std::shared_ptr<arrow::io::RandomAccessFile> file,
                      CheckpointContent* content);

/// The state as of a checkpoint. Files without a known commit (foreign, in a foreign checkpoint)
/// take their place among the others by modification time.
Status RestoreState(CheckpointContent content, int64_t version, const TableOptions& given,
                    TableState* state);

/// A classic single-file checkpoint of the state, as Parquet.
Result<std::shared_ptr<arrow::Buffer>> CheckpointBytes(const TableState& state);

}  // namespace tercet
