// Vectors of one key: from memory as they were assembled before, or assembled of the groups' rows.
#include <algorithm>

#include "online/rocks_store.h"

namespace tercet {
namespace {

/// What a read needs for a moment; kept by each thread so that a read allocates nothing.
struct VectorScratch {
  std::string key;               // in the cache
  std::vector<SeenWrites> seen;  // of its groups
};

constexpr size_t kKeptBytes = 1 << 20;  // by a thread

}  // namespace

Result<std::shared_ptr<const ResolvedVector>> RocksStore::FindVector(const VectorRead& read,
                                                                     std::string_view key,
                                                                     int64_t time_us,
                                                                     std::string* value) {
  const uint64_t hash = cache_.Prepare(key);
  thread_local VectorScratch scratch;
  std::shared_ptr<const ResolvedVector> resolved = vectors_.Find(read.id());
  while (true) {
    if (resolved == nullptr || !states_.StillIs(resolved->states)) {
      auto anew = vectors_.Resolve(read, states_.load());
      if (anew.status().IsKeyError()) return nullptr;
      ARROW_ASSIGN_OR_RAISE(resolved, std::move(anew));
    }
    cache_.Prefetch(hash, resolved->form->ahead_bytes);
    scratch.seen.clear();
    for (const ResolvedVector::Group& group : resolved->groups) {
      const RowWrites& writes = *group.state->writes;
      scratch.seen.push_back({&writes, writes.count()});
    }
    const auto quiet = [] {
      return std::all_of(scratch.seen.begin(), scratch.seen.end(),
                         [](const SeenWrites& seen) { return seen.StillQuiet(); });
    };
    value->clear();
    scratch.key.clear();
    RowVectors::AppendKey(*resolved->form, key, &scratch.key);
    if (cache_.Find(scratch.key, hash, value) == RowCache::Found::kValue) {
      const VectorBytes vector(*value, resolved->groups.size());
      const bool of_time = vector.first_us <= time_us && time_us <= vector.last_us;
      if (of_time && quiet() && states_.StillIs(resolved->states)) return resolved;
      // Time goes on, so it will not be asked for again; another takes its place.
      if (time_us > vector.last_us) cache_.ForgetAll(hash);
    }
    ARROW_RETURN_NOT_OK(AssembleVector(*resolved, key, hash, time_us, value));
    if (states_.StillIs(resolved->states)) return resolved;
  }
}

Result<ColumnsRead> RocksStore::ReadVector(const VectorRead& read, std::string_view key,
                                           int64_t event_time_us,
                                           std::span<const ColumnTarget> columns) {
  thread_local std::string value;
  ARROW_ASSIGN_OR_RAISE(const auto resolved, FindVector(read, key, event_time_us, &value));
  if (resolved == nullptr || !resolved->form->columns->Fits(columns)) {
    return ColumnsRead::kElsewhere;
  }
  const VectorBytes vector(value, resolved->groups.size());
  constexpr RowStatus kFound = RowStatus::kPresent;
  ARROW_ASSIGN_OR_RAISE(const bool whole, resolved->form->columns->FillColumns(
                                              {&vector.row, 1}, {&kFound, 1}, columns));
  for (size_t g = 0, c = 0; !whole && g < resolved->groups.size(); ++g) {
    const auto status = static_cast<RowStatus>(vector.status[g]);
    for (const size_t end = c + read.groups()[g].columns.size(); c < end; ++c) {
      if (!HasRow(status)) *columns[c].status = static_cast<uint8_t>(status);
    }
  }
  if (value.capacity() > kKeptBytes) value = std::string();
  return whole ? ColumnsRead::kWhole : ColumnsRead::kWithGaps;
}

Result<bool> RocksStore::ReadVectorCells(const VectorRead& read, std::string_view key,
                                         int64_t event_time_us, CellsAnswer* answer) {
  ARROW_ASSIGN_OR_RAISE(const auto resolved, FindVector(read, key, event_time_us, &answer->bytes));
  if (resolved == nullptr) return false;
  const VectorBytes vector(answer->bytes, resolved->groups.size());
  answer->status.clear();
  for (const char status : vector.status) {
    answer->status.push_back(static_cast<RowStatus>(status));
  }
  answer->cells.clear();
  ARROW_RETURN_NOT_OK(resolved->form->columns->AppendCells(vector.row, &answer->cells));
  return true;
}

}  // namespace tercet
