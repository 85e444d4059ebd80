#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "base/name.h"
#include "compute/visibility.h"
#include "online/group_rows.h"
#include "online/rocks_store.h"
#include "online/store_key.h"

namespace tercet {
namespace {

/// How many keys' rows are on their way from memory at once: as many as hide its latency, and few
/// enough that the first are still in the nearest cache.
constexpr size_t kAheadKeys = 16;

/// The projection of a group's columns. The state keeps it, or, the first times, `made` does.
Result<const RowProjection*> ProjectionOf(const GroupState& state, const CellColumns& group,
                                          std::shared_ptr<const RowProjection>* made) {
  const RowProjection* known = state.projections->Find(group.columns);
  if (known != nullptr) return known;
  ARROW_ASSIGN_OR_RAISE(
      *made, state.projections->Get(state.layouts, group.columns, group.group.name));
  return made->get();
}

}  // namespace

/// What a read needs for a moment; kept by each thread so that a read allocates little.
struct RocksStore::Scratch {
  /// Keys of one group.
  struct Group {
    const GroupState* state = nullptr;
    size_t end = 0;       // of its keys
    uint64_t writes = 0;  // counted before anything was read
  };
  std::vector<Group> groups;
  std::string keys;              // the store keys, one after the other
  std::vector<size_t> ends;      // of each in `keys`
  std::vector<uint64_t> hashes;  // of each
  struct Cached {
    size_t key, begin, size;
  };
  std::string cached;                   // values from the cache, one after the other
  std::vector<Cached> hits;             // where each is in `cached`
  std::vector<std::string_view> found;  // the value of each key; a null view: it has none
  std::vector<size_t> absent;           // keys that are not in the cache
  std::vector<rocksdb::Slice> slices;   // of keys to read from the store, into `keys`
  std::vector<rocksdb::PinnableSlice> values;
  std::vector<rocksdb::Status> statuses;
  std::vector<StoredRow> rows;
  std::vector<RowStatus> row_status;  // of each of `rows`
  std::vector<Cell> cells;            // of a vector
  std::vector<SeenWrites> seen;       // by its groups

  std::string_view key(size_t i) const {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    return {keys.data() + begin, ends[i] - begin};
  }

  /// Releases the blocks that values were read from, but not the memory of the slices.
  void Unpin() {
    for (size_t v = 0; v < slices.size(); ++v) values[v].Reset();
    slices.clear();
  }

  void Clear() {
    Unpin();
    groups.clear();
    keys.clear();
    ends.clear();
    hashes.clear();
    cached.clear();
    hits.clear();
    found.clear();
    absent.clear();
    rows.clear();
    row_status.clear();
    cells.clear();
    seen.clear();
  }
};

/// A thread's scratch, cleared when the read is over: a pinned block must not outlive the store.
class RocksStore::ScratchUse {
 public:
  ScratchUse() : scratch_(ThreadScratch()) {}
  ~ScratchUse() {
    scratch_.Clear();
    const bool large = scratch_.values.size() > kKeptValues ||
                       scratch_.ends.capacity() > kKeptValues ||
                       scratch_.cached.capacity() > kKeptBytes;
    if (large) scratch_ = Scratch();
  }
  Scratch* operator->() { return &scratch_; }
  Scratch* get() { return &scratch_; }

 private:
  static constexpr size_t kKeptValues = 4096;
  static constexpr size_t kKeptBytes = 4 << 20;
  static Scratch& ThreadScratch() {
    thread_local Scratch scratch;
    return scratch;
  }
  Scratch& scratch_;
};

/// Reads from RocksDB the keys that `absent` names, in one call, which it answers from one
/// snapshot.
Status RocksStore::FetchAbsent(Scratch* scratch, const rocksdb::Snapshot* snapshot) {
  const size_t count = scratch->absent.size();
  scratch->Unpin();
  if (scratch->values.size() < count) scratch->values.resize(count);
  if (scratch->statuses.size() < count) scratch->statuses.resize(count);
  for (const size_t i : scratch->absent) {
    const std::string_view key = scratch->key(i);
    scratch->slices.emplace_back(key.data(), key.size());
  }
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  if (count == 1) {
    scratch->statuses[0] =
        db_->Get(options, db_->DefaultColumnFamily(), scratch->slices[0], &scratch->values[0]);
  } else {
    db_->MultiGet(options, db_->DefaultColumnFamily(), count, scratch->slices.data(),
                  scratch->values.data(), scratch->statuses.data());
  }
  for (size_t a = 0; a < count; ++a) {
    std::string_view& value = scratch->found[scratch->absent[a]];
    value = {};
    if (scratch->statuses[a].IsNotFound()) continue;
    ARROW_RETURN_NOT_OK(FromRocks(scratch->statuses[a], "reading rows"));
    value = scratch->values[a].ToStringView();
  }
  return Status::OK();
}

Status RocksStore::Fetch(Scratch* scratch, const rocksdb::Snapshot* snapshot) {
  const size_t count = scratch->ends.size();
  scratch->found.resize(count);
  bool quiet = snapshot == nullptr;  // the cache is of now
  for (Scratch::Group& group : scratch->groups) {
    group.writes = group.state->writes->count();
    quiet &= !RowWrites::UnderWay(group.writes);
  }
  const auto unchanged = [&] {
    return std::all_of(scratch->groups.begin(), scratch->groups.end(), [](const auto& group) {
      return group.state->writes->count() == group.writes;
    });
  };
  if (quiet) {
    for (size_t i = 0; i < count; ++i) scratch->hashes.push_back(cache_.Prepare(scratch->key(i)));
    for (size_t i = 0; i < std::min(count, kAheadKeys); ++i) cache_.Prefetch(scratch->hashes[i]);
    for (size_t i = 0; i < count; ++i) {
      if (i + kAheadKeys < count) cache_.Prefetch(scratch->hashes[i + kAheadKeys]);
      const size_t begin = scratch->cached.size();
      switch (cache_.Find(scratch->key(i), scratch->hashes[i], &scratch->cached)) {
        case RowCache::Found::kUnknown:
          scratch->absent.push_back(i);
          break;
        case RowCache::Found::kMissing:
          break;
        case RowCache::Found::kValue:
          scratch->hits.push_back({i, begin, scratch->cached.size() - begin});
      }
    }
    const std::string_view cached = scratch->cached;
    for (const Scratch::Cached& hit : scratch->hits) {
      scratch->found[hit.key] = cached.substr(hit.begin, hit.size);
    }
    if (!scratch->absent.empty()) ARROW_RETURN_NOT_OK(FetchAbsent(scratch));
    if (unchanged()) {
      size_t group = 0;
      for (const size_t i : scratch->absent) {
        while (i >= scratch->groups[group].end) ++group;
        const std::string_view value = scratch->found[i];
        cache_.Fill(scratch->key(i), scratch->hashes[i],
                    value.data() == nullptr ? std::nullopt : std::optional(value),
                    *scratch->groups[group].state->writes, scratch->groups[group].writes);
      }
      return Status::OK();
    }
  }
  // A write is under way, or came between: the store alone has all keys as of one moment.
  scratch->absent.resize(count);
  std::iota(scratch->absent.begin(), scratch->absent.end(), size_t{0});
  return count == 0 ? Status::OK() : FetchAbsent(scratch, snapshot);
}

void RocksStore::AddGroup(const GroupState& state, Scratch* scratch) {
  scratch->groups.push_back({.state = &state, .end = scratch->ends.size()});
  if (state.generation != 0 && state.writes->FirstRead()) {
    warmup_.Ask(StorePrefix(kRowsRecord, state.id, state.generation), state.writes);
  }
}

Result<std::vector<RowsAnswer>> RocksStore::Read(const std::vector<RowsRequest>& requests) {
  for (const RowsRequest& request : requests) {
    if (!request.keys_from.empty()) return ReadChain(requests);
  }
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto answers, TryRead(requests));
    if (answers) return std::move(*answers);
  }
}

Result<std::optional<std::vector<RowsAnswer>>> RocksStore::TryRead(
    const std::vector<RowsRequest>& requests, const rocksdb::Snapshot* snapshot) {
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
    AddGroup(state, scratch.get());
    asked.push_back({&state, std::move(projection), std::move(keys)});
  }
  ARROW_RETURN_NOT_OK(Fetch(scratch.get(), snapshot));
  // A group that was switched to another generation meanwhile may have lost the rows of this one.
  if (!states_.StillIs(states)) return std::nullopt;

  std::vector<RowsAnswer> answers(requests.size());
  size_t next = 0;
  for (size_t r = 0; r < requests.size(); ++r) {
    const RowsRequest& request = requests[r];
    const GroupState& state = *asked[r].state;
    const int64_t n = request.keys->num_rows();
    RowsAnswer& answer = answers[r];
    answer.status.assign(n, RowStatus::kMissing);
    answer.event_times_us.assign(n, kNoEventTime);
    answer.commits.assign(n, -1);
    answer.version = state.applied_version;
    scratch->rows.assign(n, StoredRow());
    for (int64_t i = 0; i < n; ++i, ++next) {
      if (!asked[r].keys.valid(i)) continue;
      ARROW_ASSIGN_OR_RAISE(
          const FoundRow found,
          FindRow(state, scratch->found[next], request.event_times_us[i], request.ttl_us));
      answer.status[i] = found.status;
      answer.event_times_us[i] = found.event_time_us;
      answer.commits[i] = found.commit;
      scratch->rows[i] = found.row;
    }
    ARROW_ASSIGN_OR_RAISE(answer.rows, asked[r].projection->Gather(scratch->rows));
  }
  return answers;
}

Result<bool> RocksStore::ReadCells(std::span<const CellColumns> groups,
                                   std::span<const std::string> keys, int64_t event_time_us,
                                   CellsAnswer* answer) {
  const size_t rows = groups.empty() ? 0 : keys.size() / groups.size();
  ScratchUse scratch;
  std::shared_ptr<const GroupStates> states;
  do {
    states = states_.load();
    scratch->Clear();
    for (size_t g = 0; g < groups.size(); ++g) {
      const auto found = states->find(groups[g].group);
      if (found == states->end()) return false;
      const GroupState& state = *found->second;
      for (const std::string& key : keys.subspan(g * rows, rows)) {
        AppendStorePrefix(kRowsRecord, state.id, state.generation, &scratch->keys);
        scratch->keys += key;
        scratch->ends.push_back(scratch->keys.size());
      }
      AddGroup(state, scratch.get());
    }
    ARROW_RETURN_NOT_OK(Fetch(scratch.get()));
  } while (!states_.StillIs(states));

  // The values become the answer's. Those that came from RocksDB are copied out of its blocks.
  if (scratch->absent.empty()) {
    answer->bytes.swap(scratch->cached);
    const std::string_view bytes = answer->bytes;
    for (const Scratch::Cached& hit : scratch->hits) {
      scratch->found[hit.key] = bytes.substr(hit.begin, hit.size);
    }
  } else {
    size_t size = 0;
    for (const std::string_view value : scratch->found) size += value.size();
    answer->bytes.clear();
    answer->bytes.reserve(size);
    for (std::string_view& value : scratch->found) {
      if (value.data() == nullptr) continue;
      const size_t begin = answer->bytes.size();
      answer->bytes += value;
      value = std::string_view(answer->bytes).substr(begin);
    }
  }
  answer->cells.clear();
  answer->status.clear();
  for (size_t g = 0; g < groups.size(); ++g) {
    const GroupState& state = *scratch->groups[g].state;
    std::shared_ptr<const RowProjection> made;
    const auto projection = ProjectionOf(state, groups[g], &made);
    if (projection.status().IsKeyError()) return false;
    ARROW_RETURN_NOT_OK(projection.status());
    for (size_t i = g * rows; i < (g + 1) * rows; ++i) {
      // No row is stored under a null key's prefix alone.
      ARROW_ASSIGN_OR_RAISE(const FoundRow found, FindRow(state, scratch->found[i], event_time_us,
                                                          groups[g].ttl_us));
      answer->status.push_back(keys[i].empty() ? RowStatus::kMissing : found.status);
      ARROW_RETURN_NOT_OK((*projection)->AppendCells(found.row, &answer->cells));
    }
  }
  return true;
}

Status RocksStore::AssembleVector(const ResolvedVector& vector, std::string_view key,
                                  uint64_t hash, int64_t time_us, std::string* value) {
  ScratchUse scratch;
  for (const ResolvedVector::Group& group : vector.groups) {
    scratch->keys += group.prefix;
    scratch->keys += key;
    scratch->ends.push_back(scratch->keys.size());
    AddGroup(*group.state, scratch.get());
  }
  ARROW_RETURN_NOT_OK(Fetch(scratch.get()));
  bool keep = scratch->absent.empty();
  int64_t first_us = std::numeric_limits<int64_t>::min();
  int64_t last_us = std::numeric_limits<int64_t>::max();
  for (size_t g = 0; g < vector.groups.size(); ++g) {
    const ResolvedVector::Group& group = vector.groups[g];
    ARROW_ASSIGN_OR_RAISE(const FoundRow found,
                          FindRow(*group.state, scratch->found[g], time_us, group.ttl_us));
    ARROW_RETURN_NOT_OK(group.columns->AppendCells(found.row, &scratch->cells));
    scratch->row_status.push_back(found.status);
    scratch->seen.push_back({group.state->writes.get(), scratch->groups[g].writes});
    keep &= found.status != RowStatus::kUnavailable;
    first_us = std::max(first_us, found.first_us);
    last_us = std::min(last_us, found.last_us);
  }
  value->clear();
  ARROW_RETURN_NOT_OK(VectorBytes::Append(*vector.form, first_us, last_us, scratch->row_status,
                                          scratch->cells, value));
  if (!keep) return Status::OK();
  scratch->keys.clear();
  RowVectors::AppendKey(*vector.form, key, &scratch->keys);
  cache_.Fill(scratch->keys, hash, *value, scratch->seen);
  return Status::OK();
}

Result<ColumnsRead> RocksStore::ReadColumns(std::span<const CellColumns> groups,
                                            std::span<const KeyList* const> keys,
                                            int64_t event_time_us,
                                            std::span<const ColumnTarget> columns) {
  ScratchUse scratch;
  std::shared_ptr<const GroupStates> states;
  do {
    states = states_.load();
    scratch->Clear();
    for (size_t g = 0; g < groups.size(); ++g) {
      const auto found = states->find(groups[g].group);
      if (found == states->end()) return ColumnsRead::kElsewhere;
      const GroupState& state = *found->second;
      const std::string prefix = StorePrefix(kRowsRecord, state.id, state.generation);
      for (size_t i = 0; i < keys[g]->size(); ++i) {
        scratch->keys += prefix;
        scratch->keys += (*keys[g])[i];
        scratch->ends.push_back(scratch->keys.size());
      }
      AddGroup(state, scratch.get());
    }
    ARROW_RETURN_NOT_OK(Fetch(scratch.get()));
  } while (!states_.StillIs(states));

  bool whole = true;
  size_t next = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    const GroupState& state = *scratch->groups[g].state;
    std::shared_ptr<const RowProjection> made;
    const auto projection = ProjectionOf(state, groups[g], &made);
    if (projection.status().IsKeyError()) return ColumnsRead::kElsewhere;
    ARROW_RETURN_NOT_OK(projection.status());
    const auto targets = columns.first(groups[g].columns.size());
    columns = columns.subspan(targets.size());
    if (!(*projection)->Fits(targets)) return ColumnsRead::kElsewhere;
    scratch->rows.clear();
    scratch->row_status.clear();
    for (size_t i = 0; i < keys[g]->size(); ++i, ++next) {
      if ((*keys[g])[i].empty()) {
        scratch->rows.emplace_back();
        scratch->row_status.push_back(RowStatus::kMissing);
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(
          const FoundRow found,
          FindRow(state, scratch->found[next], event_time_us, groups[g].ttl_us));
      scratch->rows.push_back(found.row);
      scratch->row_status.push_back(found.status);
    }
    ARROW_ASSIGN_OR_RAISE(
        const bool filled,
        (*projection)->FillColumns(scratch->rows, scratch->row_status, targets));
    whole &= filled;
  }
  return whole ? ColumnsRead::kWhole : ColumnsRead::kWithGaps;
}

}  // namespace tercet
