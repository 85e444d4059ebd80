// Reads in which the keys of some rows come from others: several looks into the store, one moment.
#include <algorithm>
#include <optional>

#include <rocksdb/snapshot.h>

#include "catalog/given_keys.h"
#include "online/rocks_store.h"

namespace tercet {

/// What a group's rows were when a read began.
struct RocksStore::Mark {
  uint32_t id, generation;
  uint64_t writes;

  bool SameRows(const Mark& other) const {
    return id == other.id && generation == other.generation;
  }
};

Result<std::vector<RocksStore::Mark>> RocksStore::Marks(
    const std::vector<RowsRequest>& requests) const {
  std::vector<Mark> marks;
  for (const RowsRequest& request : requests) {
    ARROW_ASSIGN_OR_RAISE(const auto state, StateOf(request.group));
    marks.push_back({.id = state->id,
                     .generation = state->generation,
                     .writes = state->writes == nullptr ? 0 : state->writes->count()});
  }
  return marks;
}

Result<std::vector<RowsAnswer>> RocksStore::ReadRounds(const std::vector<RowsRequest>& requests,
                                                       const rocksdb::Snapshot* snapshot) {
  std::vector<RowsRequest> known = requests;
  std::vector<RowsAnswer> answers(requests.size());
  std::vector<bool> answered(requests.size(), false);
  for (size_t left = requests.size(); left > 0;) {
    std::vector<RowsRequest> round;
    std::vector<size_t> numbers;
    for (size_t r = 0; r < requests.size(); ++r) {
      if (answered[r]) continue;
      const bool ready = std::all_of(
          requests[r].keys_from.begin(), requests[r].keys_from.end(),
          [&](const auto& from) { return from.request >= r || answered[from.request]; });
      if (!ready) continue;
      ARROW_ASSIGN_OR_RAISE(known[r], WithKeysGiven(known, answers, r));
      round.push_back(known[r]);
      numbers.push_back(r);
    }
    std::optional<std::vector<RowsAnswer>> read;
    while (!read) {
      ARROW_ASSIGN_OR_RAISE(read, TryRead(round, snapshot));
    }
    for (size_t i = 0; i < numbers.size(); ++i) {
      answers[numbers[i]] = std::move((*read)[i]);
      answered[numbers[i]] = true;
    }
    left -= numbers.size();
  }
  return answers;
}

Result<std::vector<RowsAnswer>> RocksStore::ReadChain(const std::vector<RowsRequest>& requests) {
  // First with what the row cache has, which counts if no group was written meanwhile; then from a
  // snapshot of RocksDB, which counts unless a group got another generation of rows.
  for (bool pinned = false;; pinned = true) {
    ARROW_ASSIGN_OR_RAISE(const auto before, Marks(requests));
    std::optional<rocksdb::ManagedSnapshot> snapshot;
    if (pinned) snapshot.emplace(db_.get());
    ARROW_ASSIGN_OR_RAISE(auto answers,
                          ReadRounds(requests, snapshot ? snapshot->snapshot() : nullptr));
    ARROW_ASSIGN_OR_RAISE(const auto after, Marks(requests));
    const bool one_moment = std::equal(
        before.begin(), before.end(), after.begin(), [&](const Mark& a, const Mark& b) {
          return a.SameRows(b) &&
                 (pinned || (a.writes == b.writes && !RowWrites::UnderWay(a.writes)));
        });
    if (one_moment) return answers;
  }
}

}  // namespace tercet
