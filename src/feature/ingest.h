#pragma once

#include <cstdint>
#include <memory>
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
/// (decision 5). Without `wait_online` an online group is applied in the background by the owner;
/// a crash in between is caught up by the next owner from the change feed. Thread-safe.
class Ingest {
 public:
  Ingest(FeatureTables* tables, OnlineAccess* online);
  ~Ingest();

  Result<Commit> Insert(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& rows,
                        const InsertOptions& options);
  Result<Commit> Delete(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& keys,
                        bool wait_online);

  /// Waits until what this process inserted is applied online. Called before the project closes.
  Status Flush();

 private:
  class Background;
  FeatureTables* const tables_;
  OnlineAccess* const online_;
  std::unique_ptr<Background> background_;
};

/// What OnlineAccess calls in the owner: catches a group up from the change feed of its table, or
/// loads it whole where it is new or was overwritten.
Status SyncOnline(FeatureTables* tables, OnlineStore* store, const Ref& group, int64_t version);

}  // namespace tercet
