// Whole keys: loads of a group and refills of some of its keys.
#include "online/group_rows.h"
#include "online/rocks_store.h"
#include "online/store_key.h"

namespace tercet {
namespace {

constexpr size_t kWriteBatchBytes = 1 << 20;

}  // namespace

Status RocksStore::Refill(const Ref& group, const std::shared_ptr<arrow::RecordBatch>& keys,
                          const std::shared_ptr<arrow::RecordBatchReader>& rows) {
  std::lock_guard writer(WriterOf(group));
  ARROW_ASSIGN_OR_RAISE(const auto state, StateOf(group));
  rocksdb::WriteBatch batch;
  const std::string prefix = StorePrefix(kRowsRecord, state->id, state->generation);
  ARROW_ASSIGN_OR_RAISE(const SortKeys sort_keys, SortKeys::Encode(keys->columns()));
  for (int64_t i = 0; i < keys->num_rows(); ++i) {
    if (!sort_keys.valid(i)) continue;
    const std::string key = sort_keys.ToBytes(i);
    batch.Delete(prefix + key);
    batch.Delete(StorePrefix(kRefillRecord, state->id, state->generation) + key);
  }
  std::string bytes;
  ARROW_RETURN_NOT_OK(CollectRows(*state, rows.get(), state->applied_version, clock_->NowMicros(),
                                  [&](const std::string& key, const KeyRows& key_rows) {
                                    bytes.clear();
                                    key_rows.AppendTo(&bytes);
                                    batch.Put(prefix + key, bytes);
                                    return Status::OK();
                                  }));
  return WriteRows(*state, &batch, /*durable=*/true, "refilling keys of '" + group.ToText() + "'");
}

Status RocksStore::Load(const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& rows,
                        int64_t version) {
  std::lock_guard writer(WriterOf(group));
  ARROW_ASSIGN_OR_RAISE(const auto state, StateOf(group));
  // All its rows have the newest layout; older ones are forgotten.
  ARROW_ASSIGN_OR_RAISE(GroupState next, GroupState::Make(state->id, state->definition));
  next.generation = state->generation + 1;
  next.applied_version = version;
  // What a load that was interrupted may have left.
  ARROW_RETURN_NOT_OK(RemoveRange(next.id, next.generation, UINT32_MAX));
  rocksdb::WriteBatch batch;
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;  // Flushed before it is switched to.
  const std::string what = "loading group '" + group.ToText() + "'";
  std::string store_key, bytes;
  ARROW_RETURN_NOT_OK(CollectRows(
      next, rows.get(), version, clock_->NowMicros(),
      [&](const std::string& key, const KeyRows& key_rows) -> Status {
        store_key.clear();
        bytes.clear();
        AppendStorePrefix(kRowsRecord, next.id, next.generation, &store_key);
        store_key += key;
        key_rows.AppendTo(&bytes);
        batch.Put(store_key, bytes);
        if (batch.GetDataSize() < kWriteBatchBytes) return Status::OK();
        ARROW_RETURN_NOT_OK(CheckRoom(batch.GetDataSize(), what));
        const Status written = FromRocks(db_->Write(unlogged, &batch), what);
        batch.Clear();
        return written;
      }));
  ARROW_RETURN_NOT_OK(FromRocks(db_->Write(unlogged, &batch), what));
  ARROW_RETURN_NOT_OK(FromRocks(db_->Flush(rocksdb::FlushOptions()), what));
  rocksdb::WriteBatch switching;
  ARROW_RETURN_NOT_OK(Commit(&switching, next));
  return RemoveRange(next.id, 0, state->generation);
}

}  // namespace tercet
