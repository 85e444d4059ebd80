#pragma once

#include <cstdint>
#include <memory>

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/type.h>

#include "base/large_memory.h"
#include "base/result.h"
#include "offline/plain_column.h"
#include "view/row_records.h"

namespace tercet {

/// Some result rows and the source row that each takes: result row to[i] (or begin + i when `to`
/// is null) is row from[i] of the source, or null where from[i] is −1.
struct GatherBlock {
  int64_t size;
  const int32_t* from;
  const uint32_t* to;
  int64_t begin;

  int64_t target(int64_t i) const { return to == nullptr ? begin + i : to[i]; }
};

/// How the blocks of a column come.
enum class GatherOrder {
  kInOrder,    ///< left rows are in the order of history: blocks have no `to`
  kScattered,  ///< they are not: each block names its rows
  kLater,      ///< none: later() is filled
};

/// One column of a join's answer, filled block by block from batches that are let go afterwards:
/// values of a fixed width go straight to their place; strings and binary to an arena for each
/// task and from there into place; other types by Arrow's own take. Null slots are zero, so that
/// equal answers are equal bytes.
class ColumnGather {
 public:
  /// For `rows` result rows, filled by `tasks` parallel tasks. Rows that no block names are null.
  /// kLater is only for types that RunFile::ReadPlain gives. `memory`: for values of fixed width;
  /// LargeMemory() or RecycledMemory().
  static Result<std::unique_ptr<ColumnGather>> Make(const std::shared_ptr<arrow::DataType>& type,
                                                    int64_t rows, int tasks, GatherOrder order,
                                                    arrow::MemoryPool* memory = LargeMemory());
  virtual ~ColumnGather() = default;

  /// Tasks may call it at once for different rows, each with its own number.
  virtual Status Gather(int task, const arrow::Array& source, const GatherBlock& block) = 0;
  /// The same from where values lie in a mapped file; only for types that RunFile::ReadPlain gives.
  virtual Status GatherPlain(const PlainColumn& source, const GatherBlock& block);
  /// In order: the `rows` rows of `source`, which has no nulls, from result row `begin` on.
  virtual Status PutPlain(const PlainColumn& source, int64_t begin, int64_t rows);
  /// In order: the rows of a block for which there is no source at all are null.
  virtual void PutNulls(const GatherBlock& block);
  /// Of kLater: where others put all values and their bits, zeros where there is none.
  virtual GatherTarget later();
  /// The column; called once, after all blocks.
  virtual Result<std::shared_ptr<arrow::ChunkedArray>> Finish() = 0;
};

}  // namespace tercet
