#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "compute/sort_key.h"
#include "online/change_buffer.h"
#include "online/group_state.h"
#include "online/online_store.h"
#include "online/row_cache.h"
#include "online/row_vectors.h"
#include "online/row_warmup.h"

namespace tercet {

/// RocksDB's status as ours: Corruption and the rest are IOError.
Status FromRocks(const rocksdb::Status& status, std::string_view what);

/// OnlineStore in RocksDB. Readers take the published states, what the row cache has, and the rest
/// by one MultiGet; when a write came between, all by one MultiGet, which RocksDB answers from one
/// snapshot. Writers of one group take turns (a mutex a group); of different
/// groups they don't wait for each other.
class RocksStore : public OnlineStore {
 public:
  static Result<std::unique_ptr<OnlineStore>> Open(const std::string& directory, const Clock* clock,
                                                   const OnlineOptions& options);
  ~RocksStore() override;

  Status Define(const FeatureGroupDefinition& definition) override;
  std::vector<Ref> Groups() override;
  Result<int64_t> AppliedVersion(const Ref& group) override;
  Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> Apply(
      const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& changes,
      int64_t version) override;
  Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> PendingRefills(
      const Ref& group) override;
  Status Refill(const Ref& group, const std::shared_ptr<arrow::RecordBatch>& keys,
                const std::shared_ptr<arrow::RecordBatchReader>& rows) override;
  Status Load(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& rows,
              int64_t version) override;
  Status Drop(const Ref& group) override;
  Result<std::vector<RowsAnswer>> Read(const std::vector<RowsRequest>& requests) override;
  Result<bool> ReadCells(std::span<const CellColumns> groups, std::span<const std::string> keys,
                         int64_t event_time_us, CellsAnswer* answer) override;
  Result<ColumnsRead> ReadColumns(std::span<const CellColumns> groups,
                                  std::span<const KeyList* const> keys, int64_t event_time_us,
                                  std::span<const ColumnTarget> columns) override;
  Result<ColumnsRead> ReadVector(const VectorRead& read, std::string_view key,
                                 int64_t event_time_us,
                                 std::span<const ColumnTarget> columns) override;
  Result<bool> ReadVectorCells(const VectorRead& read, std::string_view key, int64_t event_time_us,
                               CellsAnswer* answer) override;

 private:
  RocksStore(std::unique_ptr<rocksdb::DB> db, const Clock* clock, const OnlineOptions& options)
      : db_(std::move(db)),
        clock_(clock),
        spare_disk_bytes_(options.spare_disk_bytes),
        cache_(options.row_cache_bytes),
        vectors_(&cache_),
        warmup_(db_.get(), &cache_) {}
  Status LoadStates();

  std::mutex& WriterOf(const Ref& group);
  Result<std::shared_ptr<const GroupState>> StateOf(const Ref& group) const;
  /// IOError when the disk is too full for so many bytes more. RocksDB can't go on with a log that
  /// a full disk cut off, and ends the process where it was built with assertions, as Debian's is.
  Status CheckRoom(size_t bytes, std::string_view what) const;
  /// Writes changes of the state's rows, so that the row cache follows; durable when it returns,
  /// if asked.
  Status WriteRows(const GroupState& state, rocksdb::WriteBatch* batch, bool durable,
                   std::string_view what);
  /// Stores a state (with what else is in `batch`), synced, and publishes it.
  Status Commit(rocksdb::WriteBatch* batch, const GroupState& state);
  void Publish(const Ref& group, std::shared_ptr<const GroupState> state);
  Status RemoveRange(uint32_t id, uint32_t first_generation, uint32_t last_generation);

  Status WriteChanges(const GroupState& state, const ChangeBuffer& buffer,
                      rocksdb::WriteBatch* batch);

  struct Scratch;
  class ScratchUse;
  /// Finds the values of all of the scratch's keys as of one moment: that of the snapshot, if one
  /// is given.
  Status Fetch(Scratch* scratch, const rocksdb::Snapshot* snapshot = nullptr);
  Status FetchAbsent(Scratch* scratch, const rocksdb::Snapshot* snapshot = nullptr);
  /// Takes a group's keys, which stand in the scratch, into the read.
  void AddGroup(const GroupState& state, Scratch* scratch);
  /// The vector of a key (VectorBytes) in `value`, and how the read was resolved for it; null when
  /// a group or column is not known.
  Result<std::shared_ptr<const ResolvedVector>> FindVector(const VectorRead& read,
                                                           std::string_view key, int64_t time_us,
                                                           std::string* value);
  /// Makes it of the groups' rows, and keeps it where these were in memory all: who is asked once
  /// takes no room. `hash`: of the key.
  Status AssembleVector(const ResolvedVector& vector, std::string_view key, uint64_t hash,
                        int64_t time_us, std::string* value);
  /// One try of Read. nullopt when a group's state changed meanwhile.
  Result<std::optional<std::vector<RowsAnswer>>> TryRead(
      const std::vector<RowsRequest>& requests, const rocksdb::Snapshot* snapshot = nullptr);
  /// Read where keys of some requests come from others.
  Result<std::vector<RowsAnswer>> ReadChain(const std::vector<RowsRequest>& requests);
  Result<std::vector<RowsAnswer>> ReadRounds(const std::vector<RowsRequest>& requests,
                                             const rocksdb::Snapshot* snapshot);
  struct Mark;
  Result<std::vector<Mark>> Marks(const std::vector<RowsRequest>& requests) const;

  const std::unique_ptr<rocksdb::DB> db_;
  const Clock* const clock_;
  const uint64_t spare_disk_bytes_;
  RowCache cache_;
  RowVectors vectors_;  // in the cache
  Published<GroupStates> states_;
  std::mutex mutex_;                   // of changes of states_, and the fields below
  std::map<Ref, std::mutex> writers_;  // one a group, never removed
  RowWarmup warmup_;
};

}  // namespace tercet
