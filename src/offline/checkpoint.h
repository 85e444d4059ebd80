#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
  std::vector<AddFile> listed_adds;    ///< those that come as JSON
  std::vector<std::string> sidecars;   ///< names of files in `_sidecars` that hold the rest
  std::vector<RemoveFile> removes;
  std::vector<DomainMetadata> domains;
};

/// Reads one Parquet file of a checkpoint (classic, of version 2, or a sidecar of one) and adds to
/// `content`, straight from its columns. Invalid when a column is not what the protocol says.
Status ReadCheckpoint(std::shared_ptr<arrow::io::RandomAccessFile> file,
                      CheckpointContent* content);

/// The same for a checkpoint of version 2 whose top level is JSON lines.
Status ReadJsonCheckpoint(std::string_view text, CheckpointContent* content);

/// The state as of a checkpoint, to be settled. Files without a known commit (foreign, in a foreign
/// checkpoint) take their place among the others by modification time.
Status RestoreState(CheckpointContent content, int64_t version, const TableOptions& given,
                    TableState* state);

/// A classic single-file checkpoint of the state, as Parquet.
Result<std::shared_ptr<arrow::Buffer>> CheckpointBytes(const TableState& state);

}  // namespace tercet
