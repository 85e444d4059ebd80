#include <optional>

#include "base/name.h"
#include "compute/visibility.h"
#include "online/rocks_store.h"
#include "online/store_key.h"

namespace tercet {
namespace {

/// What a read needs for a moment; kept by each thread so that a read allocates little.
struct Scratch {
  std::string keys;                    // the store keys, one after the other
  std::vector<size_t> ends;            // of each in `keys`
  std::vector<rocksdb::Slice> slices;  // into `keys`
  std::vector<rocksdb::PinnableSlice> values;
  std::vector<rocksdb::Status> statuses;
  std::vector<StoredRow> rows;

  void Clear() {
    keys.clear();
    ends.clear();
    slices.clear();
    rows.clear();
    // Releases the blocks that the answers were read from, but not the memory of the slices.
    for (rocksdb::PinnableSlice& value : values) value.Reset();
  }
};

/// A thread's scratch, cleared when the read is over: a pinned block must not outlive the store.
class ScratchUse {
 public:
  ScratchUse() : scratch_(ThreadScratch()) {}
  ~ScratchUse() {
    scratch_.Clear();
    if (scratch_.values.size() > kKeptValues) scratch_ = Scratch();
  }
  Scratch* operator->() { return &scratch_; }

 private:
  static constexpr size_t kKeptValues = 4096;
  static Scratch& ThreadScratch() {
    thread_local Scratch scratch;
    return scratch;
  }
  Scratch& scratch_;
};

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

}  // namespace

Result<std::vector<RowsAnswer>> RocksStore::Read(const std::vector<RowsRequest>& requests) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto answers, TryRead(requests));
    if (answers) return std::move(*answers);
  }
}

Result<std::optional<std::vector<RowsAnswer>>> RocksStore::TryRead(
    const std::vector<RowsRequest>& requests) {
  const std::shared_ptr<const GroupStates> states = states_.load();
  ScratchUse scratch;
  struct Asked {
    const GroupState* state;
    std::shared_ptr<const RowProjection> projection;
    SortKeys keys;
  };
  std::vector<Asked> asked;
  asked.reserve(requests.size());
  for (const RowsRequest& request : requests) {
    const auto found = states->find(request.group);
    if (found == states->end()) return StateOf(request.group).status();
    const GroupState& state = *found->second;
    ARROW_RETURN_NOT_OK(CheckRequest(request, state));
    ARROW_ASSIGN_OR_RAISE(auto projection, state.projections->Get(state.layouts, request.columns,
                                                                  request.group.name));
    ARROW_ASSIGN_OR_RAISE(SortKeys keys, SortKeys::Encode(request.keys->columns()));
    for (int64_t i = 0; i < request.keys->num_rows(); ++i) {
      // A key with a null is looked up as well, so that rows and values have the same numbers: no
      // row is stored under the prefix alone.
      AppendStorePrefix(kRowsRecord, state.id, state.generation, &scratch->keys);
      if (keys.valid(i)) scratch->keys += keys.ToBytes(i);
      scratch->ends.push_back(scratch->keys.size());
    }
    asked.push_back({&state, std::move(projection), std::move(keys)});
  }

  const size_t count = scratch->ends.size();
  size_t begin = 0;
  for (const size_t end : scratch->ends) {
    scratch->slices.emplace_back(scratch->keys.data() + begin, end - begin);
    begin = end;
  }
  if (scratch->values.size() < count) scratch->values.resize(count);
  if (scratch->statuses.size() < count) scratch->statuses.resize(count);
  const rocksdb::ReadOptions options;
  if (count == 1) {
    scratch->statuses[0] =
        db_->Get(options, db_->DefaultColumnFamily(), scratch->slices[0], &scratch->values[0]);
  } else if (count > 0) {
    // All keys of all groups in one call: RocksDB answers it from one snapshot.
    db_->MultiGet(options, db_->DefaultColumnFamily(), count, scratch->slices.data(),
                  scratch->values.data(), scratch->statuses.data());
  }
  // A group that was switched to another generation meanwhile may have lost the rows of this one.
  if (states_.load() != states) return std::nullopt;

  std::vector<RowsAnswer> answers(requests.size());
  size_t next = 0;
  for (size_t r = 0; r < requests.size(); ++r) {
    const RowsRequest& request = requests[r];
    const GroupState& state = *asked[r].state;
    const std::optional<int64_t> ttl_us = request.ttl_us ? request.ttl_us : state.definition.ttl_us;
    const int64_t n = request.keys->num_rows();
    RowsAnswer& answer = answers[r];
    answer.status.assign(n, RowStatus::kMissing);
    answer.event_times_us.assign(n, kNoEventTime);
    scratch->rows.assign(n, StoredRow());
    for (int64_t i = 0; i < n; ++i, ++next) {
      if (!asked[r].keys.valid(i)) continue;
      if (state.generation == 0) {
        answer.status[i] = RowStatus::kUnavailable;
        continue;
      }
      const rocksdb::Status& got = scratch->statuses[next];
      if (got.IsNotFound()) continue;
      ARROW_RETURN_NOT_OK(FromRocks(got, "reading group '" + request.group.ToText() + "'"));
      const int64_t time_us = request.event_times_us[i];
      const KeyLookup lookup = FindAsOf(scratch->values[next].ToStringView(), time_us);
      if (lookup.answer == KeyLookup::kNoRow) continue;
      if (lookup.answer == KeyLookup::kLetGo) {
        answer.status[i] = RowStatus::kUnavailable;
        continue;
      }
      const int layout =
          lookup.answer == KeyLookup::kFound ? state.LayoutOf(lookup.row.fingerprint) : -1;
      if (layout < 0) {
        return Status::IOError("online store: the rows of a key of feature group '",
                               request.group.ToText(), "' are corrupt; remove the online store's ",
                               "folder to have it rebuilt from the offline tables");
      }
      answer.event_times_us[i] = lookup.row.event_time_us;
      const bool timeless = lookup.row.event_time_us == kNoEventTime;
      if (!timeless && !WithinTtl(lookup.row.event_time_us, time_us, ttl_us)) {
        answer.status[i] = RowStatus::kExpired;
        continue;
      }
      answer.status[i] = RowStatus::kPresent;
      scratch->rows[i] = {.bytes = lookup.row.bytes, .layout = layout};
    }
    ARROW_ASSIGN_OR_RAISE(answer.rows, asked[r].projection->Gather(scratch->rows));
  }
  return answers;
}

}  // namespace tercet
