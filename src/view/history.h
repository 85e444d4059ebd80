#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "compute/sort_key.h"
#include "offline/plain_column.h"
#include "offline/run_file.h"
#include "offline/table.h"
#include "view/plain_rows.h"

namespace tercet {

/// What of a group's history a join wants.
struct HistoryRequest {
  std::vector<std::string> primary_key;
  std::string event_time;  ///< empty: not wanted
  std::vector<std::string> features;
  int64_t batch_rows = 65536;
  /// The left side's keys, each once, where they are few and the group finds keys; else null.
  std::shared_ptr<arrow::RecordBatch> keys;
  bool fixed_keys = false;  ///< the left side's keys are (compute/sort_key.h)
  /// The left rows are in another order: leave features for ReadLater where that can be.
  bool later = false;
};

/// About how many bytes a row takes in memory.
int64_t HistoryRowBytes(const arrow::Schema& schema, const std::vector<std::string>& columns);

/// About how many bytes one task holds of a group's history at once: two row groups where files
/// follow each other; where they overlap, one of each, what they are merged to, and both together;
/// all rows of files that are not sorted.
Result<int64_t> HeldBytes(Snapshot* group, const std::vector<std::string>& columns);

/// The part of it that one task can see: keys in the range, event times in [start, end).
struct HistoryRange {
  KeyRange keys;
  std::optional<int64_t> start_us, end_us;
};

/// Some rows of history, in (key, time) order, each with a key and a time.
struct HistoryChunk {
  struct Column {
    std::shared_ptr<arrow::Array> array;       ///< decoded, or null and
    std::shared_ptr<const PlainColumn> plain;  ///< where it lies in the file
  };
  int64_t rows = 0;
  int64_t number = 0;                    ///< of its first row, for ReadLater
  std::optional<SortKeys> keys;          ///< nullopt: `codes` has them
  std::shared_ptr<arrow::Buffer> codes;  ///< keys as SortKeys' fixed values, of 64 bits
  std::shared_ptr<arrow::Int64Array> times;
  std::vector<Column> columns;  ///< the features; neither for one that is read later
};

/// Chunks in order, one by one, for one thread.
class HistoryStream {
 public:
  virtual ~HistoryStream() = default;
  /// Null at the end.
  virtual Result<std::unique_ptr<HistoryChunk>> Next() = 0;
};

/// A group's history as of one commit, for one join: shared by its tasks.
///
/// Where the files are sorted runs that don't overlap and have no deleted rows, they are read
/// straight, row group by row group, and columns that lie plain in them are not decoded. Else
/// Snapshot's scan merges them.
class History {
 public:
  static Result<std::unique_ptr<History>> Make(Snapshot* snapshot, HistoryRequest request);
  virtual ~History() = default;
  virtual Result<std::unique_ptr<HistoryStream>> Open(const HistoryRange& range) = 0;

  /// Whether the request's feature of this index is left out of chunks, to be read later.
  virtual bool later(size_t) const { return false; }
  /// Such a feature in the rows of all chunks that streams gave, by row number.
  virtual Result<std::unique_ptr<PlainRows>> ReadLater(size_t feature);
};

}  // namespace tercet
