// Whole keys: loads of a group and refills of some of its keys.
#include <deque>

#include "online/rocks_store.h"
#include "online/store_key.h"

namespace tercet {
namespace {

constexpr size_t kWriteBatchBytes = 1 << 20;

struct KeptRow {
  int64_t event_time_us;
  std::string bytes;
};

}  // namespace

Status RocksStore::CollectRows(const GroupState& state, arrow::RecordBatchReader* rows,
                               int64_t version, const RowsSink& sink) {
  const int64_t now_us = clock_->NowMicros();
  std::string key;
  std::deque<KeptRow> kept;  // of `key`: one more at or before now than is kept, and all ahead
  size_t present = 0;        // of `kept`, at or before now
  const auto finish_key = [&]() -> Status {
    if (kept.empty()) return Status::OK();
    KeyRows key_rows;
    for (const KeptRow& row : kept) {
      key_rows.Upsert({.event_time_us = row.event_time_us,
                       .commit = version,
                       .fingerprint = state.layout()->fingerprint(),
                       .bytes = row.bytes});
    }
    key_rows.Trim(kKeptRows, now_us);
    const Status sunk = sink(key, key_rows);  // which reads the bytes that `kept` owns
    kept.clear();
    present = 0;
    return sunk;
  };
  std::shared_ptr<arrow::RecordBatch> batch;
  while (true) {
    ARROW_RETURN_NOT_OK(rows->ReadNext(&batch));
    if (batch == nullptr) break;
    ARROW_ASSIGN_OR_RAISE(const RowEncoder encoder, RowEncoder::Make(state.layout(), batch));
    std::vector<std::shared_ptr<arrow::Array>> key_arrays;
    for (const auto& field : state.key_schema->fields()) {
      key_arrays.push_back(batch->GetColumnByName(field->name()));
      if (key_arrays.back() == nullptr) {
        return Status::Invalid("online store: rows of feature group '",
                               state.definition.ref().ToText(), "' lack the key column '",
                               field->name(), "'");
      }
    }
    ARROW_ASSIGN_OR_RAISE(const SortKeys keys, SortKeys::Encode(key_arrays));
    std::shared_ptr<arrow::Int64Array> times;
    if (!state.definition.event_time.empty()) {
      const auto column = batch->GetColumnByName(state.definition.event_time);
      if (column == nullptr) {
        return Status::Invalid("online store: rows of feature group '",
                               state.definition.ref().ToText(), "' lack the event time column '",
                               state.definition.event_time, "'");
      }
      ARROW_ASSIGN_OR_RAISE(times, EventTimeMicros(*column));
    }
    const int64_t n = batch->num_rows();
    for (int64_t begin = 0, end = 0; begin < n; begin = end) {
      for (end = begin + 1; end < n && keys.Compare(end, keys, begin) == 0; ++end) {
      }
      if (!keys.valid(begin)) continue;
      std::string run_key = keys.ToBytes(begin);
      if (run_key != key) {
        ARROW_RETURN_NOT_OK(finish_key());
        key = std::move(run_key);
      }
      // Of a long history only the end is kept, so only that is encoded.
      int64_t first = begin;
      if (times != nullptr) {
        int64_t ahead = end;
        while (ahead > begin && (times->IsNull(ahead - 1) || times->Value(ahead - 1) > now_us)) {
          --ahead;
        }
        first = std::max(begin, ahead - kKeptRows - 1);
      }
      for (int64_t i = first; i < end; ++i) {
        if (times != nullptr && times->IsNull(i)) continue;
        KeptRow row{.event_time_us = times == nullptr ? kNoEventTime : times->Value(i)};
        ARROW_RETURN_NOT_OK(encoder.Append(i, &row.bytes));
        if (row.event_time_us <= now_us && ++present > kKeptRows + 1) {
          kept.pop_front();
          --present;
        }
        kept.push_back(std::move(row));
      }
    }
  }
  return finish_key();
}

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
  ARROW_RETURN_NOT_OK(CollectRows(*state, rows.get(), state->applied_version,
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
      next, rows.get(), version, [&](const std::string& key, const KeyRows& key_rows) -> Status {
        store_key.clear();
        bytes.clear();
        AppendStorePrefix(kRowsRecord, next.id, next.generation, &store_key);
        store_key += key;
        key_rows.AppendTo(&bytes);
        batch.Put(store_key, bytes);
        if (batch.GetDataSize() < kWriteBatchBytes) return Status::OK();
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
