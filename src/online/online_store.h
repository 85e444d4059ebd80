#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/clock.h"
#include "base/result.h"
#include "catalog/feature_group.h"
#include "catalog/vector_rows.h"

namespace tercet {

struct OnlineOptions {
  size_t row_cache_bytes = size_t{1} << 30;  ///< of rows that are kept in memory, at most
  /// "redis://[:PASSWORD@]HOST:PORT[/DATABASE][?stale=SECONDS]": rows are there, and every process
  /// reads them itself. Empty: in RocksDB, which its owner reads for all.
  std::string redis = {};

  /// The disk must have so many bytes left beside what is written, or the write is refused.
  uint64_t spare_disk_bytes = 16 << 20;

  /// With the bytes that the environment's TERCET_ONLINE_CACHE_BYTES says, and the Redis that
  /// TERCET_ONLINE says. Invalid when the former is no whole number.
  static Result<OnlineOptions> FromEnvironment();
};

/// The present of the feature groups, by key, in one embedded RocksDB. Exactly one process may
/// have it open (see online_access.h). Thread-safe; readers never wait for writers.
///
/// Kept for each key: the newest `kKeptRows` rows at or before now, and all dated ahead; a key
/// whose older rows were let go remembers the event time from which it is complete, so that an
/// older read answers kUnavailable, never a wrong value. A group without event time has one row a
/// key.
///
/// Durable when: what Apply, Refill and Load wrote is in RocksDB's log when they return, synced to
/// disk, so it survives kill -9 and power loss. A crash in the middle of Apply leaves some keys
/// with the changes and `AppliedVersion` as before: applying again ends in the same state, since a
/// row never gives way to one of an earlier commit. The offline table is the truth: a store that is
/// lost is rebuilt by Load.
class OnlineStore : public VectorRows {
 public:
  static constexpr int kKeptRows = 4;

  /// Opens or creates. IOError when another process has it open or it is corrupt.
  static Result<std::unique_ptr<OnlineStore>> Open(const std::string& directory, const Clock* clock,
                                                   const OnlineOptions& options = {});

  /// Makes a group known with its full schema; OK when it is known alike.
  /// Columns may have been added or dropped since. TypeError when a column's type or the key
  /// changed: Drop the group, Define it and Load it afresh.
  virtual Status Define(const FeatureGroupDefinition& definition) = 0;

  /// The groups that are known.
  virtual std::vector<Ref> Groups() = 0;

  /// The offline commit up to which the group is applied; −1 when nothing was.
  virtual Result<int64_t> AppliedVersion(const Ref& group) = 0;

  /// Applies row changes (`Table::Changes`' columns, commits in order) and records `version` as
  /// applied, in one atomic write per at most some thousand keys; applying the same again changes
  /// nothing. Returns the keys (batches of primary key columns) whose previous rows the store no
  /// longer has and must get by Refill before they answer again; until then they answer
  /// kUnavailable.
  virtual Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Apply(
      const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& changes,
      int64_t version) = 0;

  /// The keys that Apply returned and that were not refilled yet, also after a crash.
  virtual Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> PendingRefills(
      const Ref& group) = 0;

  /// Sets the rows of whole keys: `keys` are replaced by what `rows` (in table order) has of them.
  virtual Status Refill(const Ref& group, const std::shared_ptr<arrow::RecordBatch>& keys,
                        const std::shared_ptr<arrow::RecordBatchReader>& rows) = 0;

  /// Loads a whole group as of `version` into a new generation (rows ordered by key and event
  /// time) and switches to it at once; readers see the old or the new, never a mixture.
  virtual Status Load(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& rows,
                      int64_t version) = 0;

  virtual Status Drop(const Ref& group) = 0;
};

}  // namespace tercet
