#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <arrow/record_batch.h>

#include "catalog/feature_group.h"
#include "offline/feature_tables.h"
#include "online/online_access.h"

namespace tercet {

struct InsertOptions {
  InsertMode mode = InsertMode::kUpsert;
  std::string idempotency_key;   ///< empty: none
  bool wait_online = false;      ///< return when online readers see the commit
};

/// Pipeline F's end: validates rows, commits them offline, then has them applied online
/// (decision 5). Where many small writes left many small files, they are merged in the background
/// (Table::CompactionDue). Without `wait_online` an online group is applied in the background by
/// the owner; a crash in between is caught up by the next owner from the change feed. Thread-safe.
class Ingest {
 public:
  Ingest(FeatureTables* tables, OnlineAccess* online);
  ~Ingest();

  /// Invalid or TypeError for rows that don't fit, before anything is written: a group whose first
  /// insert is refused still has no schema. A failure with wait_online says whether the rows are
  /// committed offline.
  Result<Commit> Insert(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& rows,
                        const InsertOptions& options);
  /// Deletes rows by primary key, or by primary key and event time.
  Result<Commit> Delete(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& keys,
                        bool wait_online);

  /// FeatureTables::Erase, then the same online: what was erased is gone there, too, when this
  /// returns.
  Result<ErasureReport> Erase(const std::optional<Ref>& group,
                              const std::shared_ptr<arrow::RecordBatchReader>& keys);
  /// FeatureTables::Alter; the online store follows soon.
  Result<FeatureGroupDefinition> Alter(const Ref& group, const FeatureGroupChange& change);

  /// Waits until what this process inserted is applied online. Called before the project closes.
  Status Flush();

 private:
  class Background;

  /// Sees to it that a commit is applied online.
  Result<Commit> Applied(const FeatureGroupDefinition& definition, Commit commit,
                         bool wait_online);

  /// A forked child has no copy of its parent's threads: it gets a background of its own.
  Background* background();

  FeatureTables* const tables_;
  OnlineAccess* const online_;
  std::mutex mutex_;
  int forks_;                                // guarded by mutex_
  std::unique_ptr<Background> background_;   // guarded by mutex_
};

/// What OnlineAccess calls in the owner: catches a group up with its table's head (which must be at
/// least `version`) from the change feed, or loads it whole where it is new or was overwritten.
/// KeyError when there is no such group, it is not online, or nothing was inserted yet.
Status SyncOnline(FeatureTables* tables, OnlineStore* store, const Ref& group, int64_t version);

/// What OnlineAccess calls in the owner to load a group anew as of a commit (< 0: the newest),
/// beside what is served. KeyError as above, and for a commit that is not there; Invalid for one as
/// of which the group's key or the type of a column was another.
Status RebuildOnline(FeatureTables* tables, OnlineStore* store, const Ref& group, int64_t version);

}  // namespace tercet
