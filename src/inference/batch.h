#pragma once

#include <memory>

#include <arrow/table.h>

#include "inference/inference.h"
#include "inference/loaded_release.h"

namespace tercet {

/// Inference::Batch for a release that is loaded, piece by piece. While a piece is with the caller
/// the next one is predicted and the one after it read, so about as much is held as the memory
/// limit allows, however many rows there are, and the answers of two pieces. One thread at a time.
class BatchStream {
 public:
  static Result<std::unique_ptr<BatchStream>> Open(std::shared_ptr<const LoadedRelease> loaded,
                                                   FeatureTables* tables,
                                                   const BatchOptions& options);
  virtual ~BatchStream() = default;
  /// The next answers; null at the end. There is one piece at least, which may have no rows.
  virtual Result<std::shared_ptr<arrow::Table>> Next() = 0;
};

}  // namespace tercet
