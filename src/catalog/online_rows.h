#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

#include "base/arena.h"
#include "base/cell.h"
#include "base/result.h"
#include "catalog/noun.h"

namespace tercet {

/// Why a row's values are what they are.
enum class RowStatus : uint8_t {
  kPresent,      ///< the row with the latest event time at or before the request's, within the TTL
  kMissing,      ///< the key has no row at or before the request's time
  kExpired,      ///< the latest such row is older than the TTL
  kUnavailable,  ///< the store no longer (or not yet) keeps what the answer would need
  kStale,        ///< the store is away; this row was read before, and there may be a newer one
};
/// Whether values are a row's.
inline bool HasRow(RowStatus status) {
  return status == RowStatus::kPresent || status == RowStatus::kStale;
}
std::string_view RowStatusName(RowStatus status);  ///< "present", "missing", "expired", …

/// Rows of one feature group by key.
struct RowsRequest {
  Ref group;
  std::shared_ptr<arrow::RecordBatch> keys;  ///< n rows; the primary key's columns in its order,
                                             ///< of the group's types; a null key is missing
  std::vector<int64_t> event_times_us;       ///< n times as of which to read
  std::vector<std::string> columns;          ///< feature columns wanted
  std::optional<int64_t> ttl_us;             ///< instead of the group's (a view may set its own)
  /// Key columns that an earlier request of the same read answers, row by row: null, whatever
  /// `keys` has there, where that request's row is not present. A value that does not fit the
  /// key's type is Invalid.
  struct KeyFrom {
    size_t key;          ///< which column of `keys`
    size_t request;      ///< which earlier request
    std::string column;  ///< of its columns, or else of its keys
  };
  std::vector<KeyFrom> keys_from = {};
};

struct RowsAnswer {
  std::shared_ptr<arrow::RecordBatch> rows;  ///< n rows of `columns`; all null unless present
  std::vector<RowStatus> status;             ///< n
  std::vector<int64_t> event_times_us;       ///< n; of the row found, INT64_MIN when none
  /// n; the commit that the row found came with, or a later one as of which its group was loaded
  /// whole; −1 when none.
  std::vector<int64_t> commits = {};
  int64_t version = -1;                      ///< of the group: up to which commits were applied
};

/// What is wanted of a feature group's rows, whatever their keys.
struct CellColumns {
  Ref group;
  std::vector<std::string> columns;  ///< of cell types
  std::optional<int64_t> ttl_us;     ///< instead of the group's
};

/// n rows of each group asked for. Kept by its reader for the next read, which allocates nothing.
struct CellsAnswer {
  std::vector<Cell> cells;        ///< group by group, and row by row, the columns; null unless
                                  ///< present; they stay until the next read into this object
  std::vector<RowStatus> status;  ///< of the rows, group by group
  std::string bytes;              ///< what the cells point into
};

/// n feature vectors in place, one after the other. Kept by its reader for the next read, which
/// allocates nothing.
struct VectorCells {
  std::vector<Cell> features;     ///< in the view's order, until the next read into this object
  std::vector<RowStatus> status;  ///< of each feature
  std::vector<Cell> helpers;      ///< of the view's helper columns
  CellsAnswer rows;               ///< what the features point into
  std::vector<std::string> keys;  ///< of the last read, group by group
  Arena memory;                   ///< what was computed; taken from until the next read
};

/// Keys in byte form (compute/sort_key.h), one after another; an empty one is a null key.
struct KeyList {
  std::string bytes;
  std::vector<size_t> ends;  ///< of each in `bytes`

  size_t size() const { return ends.size(); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(bytes).substr(begin, ends[i] - begin);
  }
};

/// Beside the RowStatus of a value in a column of fixed width: the row is present, its value null.
inline constexpr uint8_t kNullValue = 5;

inline constexpr uint32_t kMaxTargetWidth = 8;

/// Where n values of one column go, one after the other: numbers as in an Arrow buffer, booleans
/// as bytes. The caller's memory.
struct ColumnTarget {
  char* values = nullptr;     ///< n × width bytes
  uint8_t* status = nullptr;  ///< n zeros; a RowStatus or kNullValue where a value is not there
  uint32_t width = 0;         ///< at most kMaxTargetWidth
  uint64_t null_bits = 0;     ///< its first bytes are written where a value is not there
};

/// How ReadColumns answered.
enum class ColumnsRead : uint8_t {
  kElsewhere,  ///< it did not, and what was written means nothing: Read answers, or says why not
  kWhole,      ///< every value is present
  kWithGaps,   ///< their statuses say which are not
};

/// The latest rows by key, as `online` keeps them and `view` reads them. Thread-safe.
class OnlineRows {
 public:
  virtual ~OnlineRows() = default;
  /// Answers all requests from one snapshot of the store. KeyError for a group that is not online
  /// or a column that it does not have.
  virtual Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) = 0;
  /// The same for n rows of each group, straight from the rows' bytes. `keys`: n a group, group by
  /// group, in byte form (compute/sort_key.h); empty for a null key. False, and nothing is
  /// answered, where the store is not in this process, or does not know a group or column yet: Read
  /// answers, or says why not.
  virtual Result<bool> ReadCells(std::span<const CellColumns> /*groups*/,
                                 std::span<const std::string> /*keys*/, int64_t /*event_time_us*/,
                                 CellsAnswer* /*answer*/) {
    return false;
  }
  /// The same for n keys of each group, columns of fixed width straight from the rows' bytes into
  /// the caller's memory. `keys`: a list of n for each group, which may be the same one; `columns`:
  /// a target for each of the groups' columns, in order. All of one moment, as Read. kElsewhere
  /// also where a column is not as wide as its target.
  virtual Result<ColumnsRead> ReadColumns(std::span<const CellColumns> /*groups*/,
                                          std::span<const KeyList* const> /*keys*/,
                                          int64_t /*event_time_us*/,
                                          std::span<const ColumnTarget> /*columns*/) {
    return ColumnsRead::kElsewhere;
  }
};

}  // namespace tercet
