// Reading an index: candidates for the nearest rows.
#include <algorithm>
#include <shared_mutex>

#include "neighbors/embedding_index.h"

namespace tercet {
namespace {

/// A graph compares about this many vectors for each that it weighs, all over the memory; reading
/// them in a row costs a quarter.
constexpr size_t kComparedEach = 12;
constexpr size_t kScanIsCheaper = 4;

}  // namespace

void EmbeddingIndex::Scan(const float* vector, uint32_t first, size_t count, const Allowed& allowed,
                          std::vector<NearLabel>* nearest) const {
  const VectorStore& vectors = rows_.vectors();
  const LabelBits& bits = *allowed.bits;
  // A heap, the farthest on top.
  std::make_heap(nearest->begin(), nearest->end());
  for (size_t w = first / 64; w < bits.size(); ++w) {
    uint64_t word = bits[w];
    if (w == first / 64) word &= ~uint64_t{0} << (first % 64);
    for (; word != 0; word &= word - 1) {
      const auto label = static_cast<uint32_t>(w * 64 + static_cast<size_t>(__builtin_ctzll(word)));
      if (!IsFresh(allowed, label)) continue;
      const NearLabel near{distance_(vector, vectors.at(label), vectors.floats()), label};
      if (nearest->size() == count) {
        if (!(near < nearest->front())) continue;
        std::pop_heap(nearest->begin(), nearest->end());
        nearest->back() = near;
      } else {
        nearest->push_back(near);
      }
      std::push_heap(nearest->begin(), nearest->end());
    }
  }
  std::sort_heap(nearest->begin(), nearest->end());
}

Result<std::vector<NearLabel>> EmbeddingIndex::SearchOne(const float* vector,
                                                         const LabelSearch& search,
                                                         const Allowed& allowed) {
  const size_t all = rows_.live_count();
  const size_t candidates = std::max(search.candidates, search.count);
  // Of what the graph leads to, only the part that the filter lets through counts.
  const size_t compared = candidates * kComparedEach * all / std::max<size_t>(allowed.count, 1);
  std::vector<NearLabel> nearest;
  const bool scan = search.exact || graph_ == nullptr || allowed.count <= search.count ||
                    allowed.count / kScanIsCheaper <= compared;
  if (!scan) {
    ARROW_ASSIGN_OR_RAISE(
        nearest, graph_->Search(vector, search.count, candidates,
                                [&](uint32_t label) { return IsAllowed(allowed, label); }));
    Scan(vector, graph_end_, search.count, allowed, &nearest);
    // Where the graph leads to fewer than there are, every row is asked.
    if (nearest.size() == search.count) return nearest;
    nearest.clear();
  }
  ++exact_;
  Scan(vector, 0, search.count, allowed, &nearest);
  return nearest;
}

Result<NearKeys> EmbeddingIndex::Search(std::span<const std::vector<float>> vectors,
                                        const LabelSearch& search) {
  if (search.filter != nullptr) {
    bool known = true;
    {
      const std::shared_lock lock(mutex_);
      for (const std::string& name : search.filter->columns()) {
        known &= rows_.schema()->GetFieldIndex(name) >= 0;
      }
    }
    if (!known) ARROW_RETURN_NOT_OK(AddColumns(search.filter->columns()));
  }
  const std::shared_lock lock(mutex_);
  NearKeys found{.commit = commit_};
  Allowed allowed{.bits = &rows_.live(), .count = rows_.live_count()};
  std::shared_ptr<const AllowedLabels> filtered;
  if (search.filter != nullptr) {
    ARROW_ASSIGN_OR_RAISE(filtered, filtered_.Find(search.filter_text, *search.filter, rows_));
    allowed.bits = &filtered->bits;
    allowed.count = filtered->count;
  }
  if (source_.group.ttl_us) {
    allowed.oldest_us = source_.clock->NowMicros() - *source_.group.ttl_us;
  }
  std::vector<uint32_t> labels;
  for (const std::vector<float>& vector : vectors) {
    ++searches_;
    ARROW_ASSIGN_OR_RAISE(const std::vector<NearLabel> nearest,
                          SearchOne(vector.data(), search, allowed));
    for (const NearLabel& near : nearest) labels.push_back(near.label);
    found.ends.push_back(static_cast<int64_t>(labels.size()));
    found.more.push_back(nearest.size() == search.count);
  }
  ARROW_ASSIGN_OR_RAISE(found.keys, rows_.KeysOf(labels, key_columns_));
  return found;
}

NeighborIndexInfo EmbeddingIndex::Info() const {
  NeighborIndexInfo info{.group = source_.group.ref(), .column = source_.column};
  const std::shared_lock lock(mutex_);
  info.rows = static_cast<int64_t>(rows_.live_count());
  info.in_graph = graph_ == nullptr ? 0 : static_cast<int64_t>(graph_->size());
  info.bytes = static_cast<int64_t>(rows_.bytes() + (graph_ == nullptr ? 0 : graph_->bytes()));
  info.commit = commit_;
  info.searches = searches_;
  info.exact = exact_;
  return info;
}

}  // namespace tercet
