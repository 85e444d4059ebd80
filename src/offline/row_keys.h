#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "compute/sort_key.h"
#include "offline/table.h"

namespace tercet {

/// Where the rows of a batch stand in a table: by primary key, then event time. The byte form of a
/// position is the key's byte form (compute/sort_key.h) and, where the table has an event time,
/// its microseconds as 8 bytes big-endian with the sign bit flipped; so positions compare as
/// bytes, also with a bare key, which is at or before all positions of that key.
class RowKeys {
 public:
  RowKeys() = default;

  /// Of a batch with (at least) the key columns and the event time, of their logical types.
  /// Invalid when one is null in some row, naming the column.
  static Result<RowKeys> Of(const arrow::RecordBatch& batch, const TableOptions& options);

  int64_t size() const { return keys_.size(); }
  const SortKeys& keys() const { return keys_; }
  /// Microseconds; INT64_MIN in tables without event time.
  int64_t time(int64_t i) const {
    return times_ == nullptr ? std::numeric_limits<int64_t>::min() : times_[i];
  }
  const int64_t* times() const { return times_; }

  /// <0, 0 or >0, by key and time.
  int Compare(int64_t i, const RowKeys& other, int64_t j) const {
    const int by_key = keys_.Compare(i, other.keys_, j);
    if (by_key != 0) return by_key;
    const int64_t a = time(i), b = other.time(j);
    return a < b ? -1 : a > b;
  }

  std::string Position(int64_t i) const;
  /// The first row at or behind a position (rows must be sorted).
  int64_t LowerBound(std::string_view position) const;
  /// The first row in [begin, size) behind `other`'s row j, or at or behind it with `or_equal`.
  int64_t Seek(int64_t begin, const RowKeys& other, int64_t j, bool or_equal) const;

 private:
  SortKeys keys_;
  std::shared_ptr<arrow::Array> time_array_;
  const int64_t* times_ = nullptr;
};

/// How to put rows in order.
struct RowOrder {
  std::vector<uint32_t> order;  ///< empty when the rows are in order already
  bool unique = true;           ///< no (primary key, event time) comes twice
  int64_t duplicate = -1;       ///< some row whose position another row has, when not unique
};

/// The stable order of at most 2^32 − 1 rows by position.
RowOrder SortRows(const RowKeys& rows);

}  // namespace tercet
