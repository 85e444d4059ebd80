#include "online/group_rows.h"

#include <algorithm>
#include <deque>

#include "compute/sort_key.h"
#include "compute/visibility.h"
#include "online/online_store.h"

namespace tercet {
namespace {

constexpr size_t kRefillKeys = 4096;  // in one batch

struct KeptRow {
  int64_t event_time_us;
  std::string bytes;
};

}  // namespace

Status CheckRequest(const RowsRequest& request, const GroupState& state) {
  const std::string group = request.group.ToText();
  if (request.keys == nullptr) {
    return Status::Invalid("online read of feature group '", group, "' without keys");
  }
  const arrow::Schema& given = *request.keys->schema();
  const arrow::Schema& wanted = *state.key_schema;
  bool fits = given.num_fields() == wanted.num_fields();
  for (int i = 0; fits && i < wanted.num_fields(); ++i) {
    fits = given.field(i)->type()->Equals(*wanted.field(i)->type());
  }
  if (!fits) {
    return Status::TypeError("online read of feature group '", group, "': its key is (",
                             wanted.ToString(), "), not (", given.ToString(), ")");
  }
  if (static_cast<int64_t>(request.event_times_us.size()) != request.keys->num_rows()) {
    return Status::Invalid("online read of feature group '", group, "': ", request.keys->num_rows(),
                           " keys but ", request.event_times_us.size(), " event times");
  }
  return Status::OK();
}

Result<FoundRow> FindRow(const GroupState& state, std::string_view value, int64_t time_us,
                         std::optional<int64_t> ttl_us) {
  FoundRow found;
  if (state.generation == 0) {
    found.status = RowStatus::kUnavailable;
    return found;
  }
  if (value.data() == nullptr) return found;
  const KeyLookup lookup = FindAsOf(value, time_us);
  if (lookup.next_us) found.last_us = *lookup.next_us - 1;
  if (lookup.answer == KeyLookup::kNoRow) return found;
  if (lookup.answer == KeyLookup::kLetGo) {
    found.status = RowStatus::kUnavailable;
    return found;
  }
  const int layout =
      lookup.answer == KeyLookup::kFound ? state.LayoutOf(lookup.row.fingerprint) : -1;
  if (layout < 0) {
    return Status::IOError("online store: the rows of a key of feature group '",
                           state.definition.ref().ToText(), "' are corrupt; remove the online ",
                           "store's folder to have it rebuilt from the offline tables");
  }
  found.event_time_us = lookup.row.event_time_us;
  found.commit = lookup.row.commit;
  const bool timeless = found.event_time_us == kNoEventTime;
  const std::optional<int64_t> ttl = ttl_us ? ttl_us : state.definition.ttl_us;
  found.first_us = found.event_time_us;
  if (!timeless && ttl) {
    int64_t visible_us = 0;  // the last time as of which the row is
    if (__builtin_add_overflow(found.event_time_us, *ttl, &visible_us)) {
      visible_us = std::numeric_limits<int64_t>::max();
    }
    if (!WithinTtl(found.event_time_us, time_us, ttl)) {
      found.status = RowStatus::kExpired;
      found.first_us = visible_us + 1;
      return found;
    }
    found.last_us = std::min(found.last_us, visible_us);
  }
  found.status = RowStatus::kPresent;
  found.row = {.bytes = lookup.row.bytes, .layout = layout};
  return found;
}

Status CollectRows(const GroupState& state, arrow::RecordBatchReader* rows, int64_t version,
                   int64_t now_us, const RowsSink& sink) {
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
    key_rows.Trim(OnlineStore::kKeptRows, now_us);
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
        first = std::max(begin, ahead - OnlineStore::kKeptRows - 1);
      }
      for (int64_t i = first; i < end; ++i) {
        if (times != nullptr && times->IsNull(i)) continue;
        KeptRow row{.event_time_us = times == nullptr ? kNoEventTime : times->Value(i)};
        ARROW_RETURN_NOT_OK(encoder.Append(i, &row.bytes));
        if (row.event_time_us <= now_us && ++present > OnlineStore::kKeptRows + 1) {
          kept.pop_front();
          --present;
        }
        kept.push_back(std::move(row));
      }
    }
  }
  return finish_key();
}

const std::string* ChangeRows(const GroupState& state,
                              const std::vector<ChangeBuffer::Change>& changes, int64_t now_us,
                              KeyRows* rows) {
  const std::string* key_columns = nullptr;
  for (const ChangeBuffer::Change& change : changes) {
    if (change.removal) {
      rows->Remove(change.event_time_us, change.commit);
      key_columns = &change.bytes;
    } else {
      rows->Upsert({.event_time_us = change.event_time_us,
                    .commit = change.commit,
                    .fingerprint = state.layout()->fingerprint(),
                    .bytes = change.bytes});
    }
  }
  rows->Trim(OnlineStore::kKeptRows, now_us);
  return key_columns;
}

Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> RefillBatches(
    const GroupState& state, const std::vector<std::string>& key_columns) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  if (key_columns.empty()) return batches;
  ARROW_ASSIGN_OR_RAISE(const auto layout, RowLayout::Make(state.key_schema));
  ARROW_ASSIGN_OR_RAISE(const auto projection,
                        RowProjection::Make({layout}, state.key_schema->field_names(),
                                            state.definition.name));
  for (size_t begin = 0; begin < key_columns.size(); begin += kRefillKeys) {
    std::vector<StoredRow> rows;
    for (size_t i = begin; i < std::min(key_columns.size(), begin + kRefillKeys); ++i) {
      rows.push_back({.bytes = key_columns[i], .layout = 0});
    }
    ARROW_ASSIGN_OR_RAISE(batches.emplace_back(), projection->Gather(rows));
  }
  return batches;
}

}  // namespace tercet
