#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "compute/expression.h"
#include "neighbors/embedding_rows.h"

namespace tercet {

/// A condition on a group's columns, in the expression language. Immutable.
class RowFilter {
 public:
  /// KeyError for a column that the group does not have, TypeError when it is no condition.
  static Result<std::shared_ptr<const RowFilter>> Make(const std::string& text,
                                                       const arrow::Schema& group);

  const std::vector<std::string>& columns() const { return columns_; }
  /// One bit a row, of words from the row 0 on; a null is no. `rows` has the columns, and may have
  /// others.
  Result<LabelBits> Evaluate(const arrow::RecordBatch& rows) const;

 private:
  std::vector<std::string> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<const CompiledExpression> condition_;
};

/// Which labels a search may find.
struct AllowedLabels {
  LabelBits bits;
  size_t count = 0;
};

/// Which rows of an index fit the filters that were asked for last: a chunk is asked once, so that
/// a filter that comes again costs what has changed since. Thread-safe.
class FilteredRows {
 public:
  /// The live rows that fit. The rows don't change meanwhile.
  Result<std::shared_ptr<const AllowedLabels>> Find(const std::string& text,
                                                    const RowFilter& filter,
                                                    const EmbeddingRows& rows);

 private:
  static constexpr size_t kKept = 32;  // filters

  struct Known {
    std::string text;
    std::map<uint64_t, LabelBits> chunks;  // by id
    uint64_t changes = 0;                  // of the rows, that `allowed` is of
    std::shared_ptr<const AllowedLabels> allowed;
  };
  std::mutex mutex_;
  std::list<Known> known_;  // the last asked for first; guarded by mutex_
};

}  // namespace tercet
