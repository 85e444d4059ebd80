#include <filesystem>
#include <optional>

#include "online/group_rows.h"
#include "online/rocks_store.h"
#include "online/store_key.h"

namespace tercet {
namespace {

constexpr int64_t kSliceRows = 4096;  // of changes that are buffered at once

/// Takes what a batch writes into the row cache.
class CacheFollower : public rocksdb::WriteBatch::Handler {
 public:
  CacheFollower(RowCache* cache, RowVectors* vectors, bool written)
      : cache_(cache), vectors_(vectors), written_(written) {}

  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    Follow(key, value.ToStringView());
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(uint32_t, const rocksdb::Slice& key) override {
    Follow(key, std::nullopt);
    return rocksdb::Status::OK();
  }

 private:
  void Follow(const rocksdb::Slice& key, std::optional<std::string_view> value) {
    if (key[0] != kRowsRecord) return;
    vectors_->Forget(key.ToStringView().substr(kStorePrefixBytes));
    if (written_) {
      cache_->Replace(key.ToStringView(), value);
    } else {
      cache_->Forget(key.ToStringView());
    }
  }

  RowCache* const cache_;
  RowVectors* const vectors_;
  const bool written_;
};

}  // namespace

Status RocksStore::CheckRoom(size_t bytes, std::string_view what) const {
  std::error_code unknown;
  const std::filesystem::space_info disk = std::filesystem::space(db_->GetName(), unknown);
  const uint64_t needed = spare_disk_bytes_ + bytes;
  if (unknown || disk.available >= needed) return Status::OK();
  return Status::IOError("online store: ", what, ": the disk of '", db_->GetName(), "' has ",
                         disk.available, " bytes left, and ", needed,
                         " are needed; nothing was written, make room");
}

Status RocksStore::WriteRows(const GroupState& state, rocksdb::WriteBatch* batch, bool durable,
                             std::string_view what) {
  ARROW_RETURN_NOT_OK(CheckRoom(batch->GetDataSize(), what));
  state.writes->Begin();
  const rocksdb::Status written = db_->Write(rocksdb::WriteOptions(), batch);
  CacheFollower follower(&cache_, &vectors_, written.ok());
  const rocksdb::Status followed = batch->Iterate(&follower);
  state.writes->End();
  ARROW_RETURN_NOT_OK(FromRocks(written, what));
  ARROW_RETURN_NOT_OK(FromRocks(followed, what));
  // Apart from the write, so that readers take the way past the cache for as short as possible.
  return durable ? FromRocks(db_->SyncWAL(), what) : Status::OK();
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> RocksStore::Apply(
    const Ref& group, const std::shared_ptr<arrow::RecordBatchReader>& changes, int64_t version) {
  {
    std::lock_guard writer(WriterOf(group));
    ARROW_ASSIGN_OR_RAISE(const auto state, StateOf(group));
    if (version > state->applied_version) {
      GroupState next = *state;
      next.applied_version = version;
      if (next.generation == 0) {
        // What a load that was interrupted may have left.
        ARROW_RETURN_NOT_OK(RemoveRange(next.id, 0, UINT32_MAX));
        next.generation = 1;
        next.writes = std::make_shared<RowWrites>();
      }
      ChangeBuffer buffer(state);
      rocksdb::WriteBatch batch;
      std::shared_ptr<arrow::RecordBatch> rows;
      while (true) {
        ARROW_RETURN_NOT_OK(changes->ReadNext(&rows));
        if (rows == nullptr) break;
        for (int64_t begin = 0; begin < rows->num_rows(); begin += kSliceRows) {
          ARROW_RETURN_NOT_OK(buffer.Add(rows->Slice(begin, kSliceRows)));
          if (!buffer.full()) continue;
          ARROW_RETURN_NOT_OK(WriteChanges(next, buffer, &batch));
          ARROW_RETURN_NOT_OK(WriteRows(next, &batch, /*durable=*/false,
                                        "applying changes of '" + group.ToText() + "'"));
          batch.Clear();
          buffer.Clear();
        }
      }
      buffer.Finish();
      ARROW_RETURN_NOT_OK(WriteChanges(next, buffer, &batch));
      ARROW_RETURN_NOT_OK(Commit(&batch, next));
    }
  }
  return PendingRefills(group);
}

Status RocksStore::WriteChanges(const GroupState& state, const ChangeBuffer& buffer,
                                rocksdb::WriteBatch* batch) {
  const size_t count = buffer.changes().size();
  std::vector<std::string> keys;
  std::vector<rocksdb::Slice> slices;
  keys.reserve(count);
  slices.reserve(count);
  for (const auto& [key, changes] : buffer.changes()) {
    keys.push_back(StorePrefix(kRowsRecord, state.id, state.generation) + key);
    slices.emplace_back(keys.back());
  }
  std::vector<rocksdb::PinnableSlice> values(count);
  std::vector<rocksdb::Status> statuses(count);
  db_->MultiGet(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), count, slices.data(),
                values.data(), statuses.data());
  const int64_t now_us = clock_->NowMicros();
  size_t next = 0;
  std::string bytes;
  for (const auto& [key, changes] : buffer.changes()) {
    const size_t k = next++;
    KeyRows rows;
    if (!statuses[k].IsNotFound()) {
      ARROW_RETURN_NOT_OK(FromRocks(statuses[k], "reading rows to change"));
      ARROW_ASSIGN_OR_RAISE(rows, KeyRows::Parse(values[k].ToStringView()));
    }
    const std::string* key_columns = ChangeRows(state, changes, now_us, &rows);
    if (rows.empty()) {
      if (!statuses[k].IsNotFound()) batch->Delete(slices[k]);
      continue;
    }
    bytes.clear();
    rows.AppendTo(&bytes);
    if (!statuses[k].IsNotFound() && values[k] == rocksdb::Slice(bytes)) continue;
    batch->Put(slices[k], bytes);
    if (key_columns != nullptr && rows.NeedsRefill(now_us)) {
      batch->Put(StorePrefix(kRefillRecord, state.id, state.generation) + key, *key_columns);
    }
  }
  return Status::OK();
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> RocksStore::PendingRefills(
    const Ref& group) {
  ARROW_ASSIGN_OR_RAISE(const auto state, StateOf(group));
  const std::string prefix = StorePrefix(kRefillRecord, state->id, state->generation);
  const std::unique_ptr<rocksdb::Iterator> record(db_->NewIterator(rocksdb::ReadOptions()));
  std::vector<std::string> keys;
  for (record->Seek(prefix); record->Valid() && record->key().starts_with(prefix); record->Next()) {
    keys.push_back(record->value().ToString());
  }
  ARROW_RETURN_NOT_OK(FromRocks(record->status(), "reading keys to refill"));
  return RefillBatches(*state, keys);
}

}  // namespace tercet
