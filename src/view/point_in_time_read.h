#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <arrow/table.h>

#include "base/large_memory.h"
#include "base/recycled_memory.h"
#include "compute/asof_left.h"
#include "offline/feature_tables.h"
#include "view/view_plan.h"

namespace tercet {

class LeftStream;
class ViewSnapshots;

struct ViewReadOptions {
  std::optional<int64_t> start_us, end_us;  ///< left rows with start ≤ event time < end
  std::shared_ptr<arrow::Table> spine;      ///< left rows instead of the root's; its event time
                                            ///< column is named as the root's or "event_time"
  std::map<std::string, int64_t> pins;      ///< group → commit version; absent: the head
  /// Of memory for a ViewStream; for ReadView, of history held at once beside left rows and result.
  int64_t memory_limit_bytes = 1LL << 30;
  /// Of memory for a copy of history in the order of its rows, which left rows in another order
  /// than history's are read from faster. A ViewStream makes none.
  int64_t copy_limit_bytes = 1LL << 29;
  std::function<void(double fraction)> progress;  ///< may be empty; called from any thread
  /// Labels with a horizon are joined. False where predictions are made: they are null, as online.
  bool labels_to_come = true;
  /// Of the joined groups, only what was committed by the left row's time counts, as it was then.
  /// Invalid unless all of them but labels with a horizon keep their history.
  bool known_at = false;
  /// For the columns of joined groups: LargeMemory() or RecycledMemory(). A ViewStream chooses.
  arrow::MemoryPool* memory = LargeMemory();
};

struct ViewRows {
  /// All view columns (ViewPlan::columns), in left order: the root's by (primary key, event
  /// time), or the spine's own. With the spine each of its rows comes once (left joins).
  std::shared_ptr<arrow::Table> columns;
  std::shared_ptr<arrow::Table> keys;               ///< left key columns, as the left side has them
  std::shared_ptr<arrow::ChunkedArray> event_time;  ///< timestamp[us, UTC]; null when there is none
  std::map<std::string, int64_t> pins;              ///< the commits that were read
};

/// The point-in-time correct read of a view: every left row sees, of each group, the row with the
/// latest event time at or before its own, within the TTL. The view's filter and inner joins are
/// applied. A sorted merge of each group's runs with the left rows, parallel over key ranges,
/// streaming: memory is the left rows, the result, and at most memory_limit_bytes of history.
Result<ViewRows> ReadView(const ViewPlan& plan, FeatureTables* tables,
                          const ViewReadOptions& options);

/// The same rows piece by piece, in the same order, for readers that don't hold them all: the left
/// rows are taken in pieces of so many rows that left rows, answer and history together stay within
/// memory_limit_bytes (mapped pages of files don't count; what the caller keeps of earlier pieces
/// does). Nothing is spilled: a piece in another order than a group's reads that group's keys and
/// times again, of which only those in the piece's range; where the left rows come in the order of
/// the keys each row of history is read once. The least that is needed, whatever the limit, is one
/// row group of every file of a group that overlaps others at one place, decoded and merged.
/// Left rows that come in the order of the keys are taken in small pieces, and the memory of pieces
/// that were let go is used again for the next ones, so that little of it is fresh.
/// One thread at a time.
class ViewStream {
 public:
  /// `plan` and `tables` must outlive the stream. The spine may also be a reader, which is read
  /// as the stream goes on: `spine` of the options is then null.
  static Result<std::unique_ptr<ViewStream>> Open(
      const ViewPlan* plan, FeatureTables* tables, ViewReadOptions options,
      std::shared_ptr<arrow::RecordBatchReader> spine = nullptr);
  ~ViewStream();

  /// The next rows, fewer than the left rows where some were left out; nullopt at the end. A view
  /// without rows gives one empty piece, for its columns.
  Result<std::optional<ViewRows>> Next();
  /// How many left rows a piece has at most.
  int64_t piece_rows() const { return piece_rows_; }

 private:
  ViewStream(const ViewPlan* plan, FeatureTables* tables, ViewReadOptions options);
  Result<std::optional<ViewRows>> NextPiece();

  const ViewPlan* const plan_;
  const ViewReadOptions options_;
  const RecycledMemoryUse memory_;
  const std::unique_ptr<ViewSnapshots> snapshots_;
  std::unique_ptr<LeftStream> left_;
  int64_t piece_rows_ = 0;
  bool begun_ = false;
};

/// The core of ReadView, for one group. `left_keys`: the group's primary key columns in its order
/// and types, n rows in any order, nulls match nothing; `left_times_us`: n times, or null for a
/// plain key join (the group's newest row of each key). Returns n rows of `features` in order.
struct JoinAnswer {
  std::shared_ptr<arrow::Table> rows;
  std::shared_ptr<arrow::BooleanArray> found;  ///< n; false where no row was visible
};
Result<JoinAnswer> JoinAsOf(Snapshot* group, const std::vector<std::string>& features,
                            const std::shared_ptr<arrow::Table>& left_keys,
                            const std::shared_ptr<arrow::Int64Array>& left_times_us,
                            std::optional<int64_t> ttl_us, const ViewReadOptions& options);

/// The same in two steps, where several groups are joined by the same left columns: the left rows
/// are sorted once.
Result<std::shared_ptr<const AsOfLeft>> OrderLeft(
    const Snapshot& group, const arrow::Table& left_keys,
    const std::shared_ptr<arrow::Int64Array>& left_times_us);
Result<JoinAnswer> JoinAsOf(Snapshot* group, const std::vector<std::string>& features,
                            const AsOfLeft& left, const arrow::Table& left_keys,
                            std::optional<int64_t> ttl_us, const ViewReadOptions& options);
/// TypeError unless the left columns have the types of the group's primary key.
Status CheckLeftKeys(const Snapshot& group, const arrow::Table& left_keys);

}  // namespace tercet
