#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "offline/row_keys.h"
#include "offline/row_stream.h"
#include "offline/run_file.h"

namespace tercet {

/// Positions, or whole primary keys, whose rows are to be taken out of a table.
class RowTargets {
 public:
  /// The positions of `keys` put in `order`; with `whole_keys` (then `keys` have no event time) all
  /// rows of a key, whenever they were.
  RowTargets(RowKeys keys, std::vector<uint32_t> order, bool whole_keys)
      : keys_(std::move(keys)), order_(std::move(order)), whole_keys_(whole_keys) {}

  int64_t size() const { return keys_.size(); }
  const RowKeys& keys() const { return keys_; }

  /// Whether a target may stand between two positions (inclusive).
  bool Touches(const std::string& low, const std::string& high) const;
  /// Marks in `found` (of rows.size()) the rows that are targets.
  void Find(const RowKeys& rows, bool sorted, std::vector<uint8_t>* found) const;
  /// Whether row i of these keys is at a target's position.
  bool Contains(const RowKeys& rows, int64_t i) const;

 private:
  int64_t Row(int64_t rank) const { return order_.empty() ? rank : order_[rank]; }
  /// <0, 0, >0: how the target of this rank stands to a row.
  int CompareTo(int64_t rank, const RowKeys& rows, int64_t i) const {
    return whole_keys_ ? keys_.keys().Compare(Row(rank), rows.keys(), i)
                       : keys_.Compare(Row(rank), rows, i);
  }
  /// The first row from `begin` that is not before the target of this rank; rows are sorted.
  int64_t FirstRow(int64_t rank, const RowKeys& rows, int64_t begin) const;
  int64_t LowerBound(const RowKeys& rows, int64_t i, int64_t begin) const;

  const RowKeys keys_;
  const std::vector<uint32_t> order_;
  const bool whole_keys_;
};

/// The live rows of one file that are targets.
struct FileMatch {
  DataFilePtr file;
  std::shared_ptr<RunFile> run;
  DeletedRows rows;                           ///< their numbers within the file
  std::shared_ptr<arrow::RecordBatch> found;  ///< the rows: all columns, or only those of the keys
};

/// Reads a file's key columns (only of row groups that targets may be in) and finds the targets;
/// with `whole_rows` it gives out all their columns.
Result<FileMatch> MatchFile(const RunOpener& opener, const DataFilePtr& file,
                            const RowTargets& targets, bool whole_rows);

}  // namespace tercet
