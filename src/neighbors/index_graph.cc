// Bringing an index's vectors into its graph.
#include <algorithm>
#include <chrono>
#include <shared_mutex>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "neighbors/embedding_index.h"

namespace tercet {
namespace {

/// Fewer rows are compared one by one faster than a graph is searched.
constexpr size_t kGraphRows = 2000;
/// How long readers are locked out at a time.
constexpr auto kTurn = std::chrono::microseconds(500);
/// A graph that is nobody else's yet takes so many vectors a thread before it looks up.
constexpr size_t kBuildStep = 1024;
/// More dead rows than alive, and so many that it is worth while.
constexpr size_t kDeadRows = 4096;

}  // namespace

bool EmbeddingIndex::HasWork() const {
  const std::shared_lock lock(mutex_);
  const size_t live = rows_.live_count();
  if (live < kGraphRows || graph_end_ == rows_.end()) return false;
  // After it was refused, memory may have come free when there are other rows.
  return graph_refused_at_ == 0 || live < graph_refused_at_;
}

bool EmbeddingIndex::IsWorn() const {
  const std::shared_lock lock(mutex_);
  const size_t live = rows_.live_count();
  return rows_.end() > 2 * live + kDeadRows;
}

Status EmbeddingIndex::Work(const std::function<bool()>& closing) {
  while (HasWork() && !closing()) {
    size_t in_graph, waiting;
    {
      const std::shared_lock lock(mutex_);
      in_graph = graph_ == nullptr ? 0 : graph_->size();
      waiting = rows_.end() - graph_end_;
    }
    // While a graph is being extended, readers wait now and then; so what doubles it is built
    // apart.
    const Status worked = waiting > in_graph ? BuildGraph(closing) : ExtendGraph(closing);
    if (worked.IsCapacityError()) {
      const std::shared_lock lock(mutex_);
      graph_refused_at_ = rows_.live_count();
    }
    ARROW_RETURN_NOT_OK(worked);
  }
  return Status::OK();
}

Status EmbeddingIndex::BuildGraph(const std::function<bool()>& closing) {
  uint32_t end;
  LabelBits live;
  {
    const std::shared_lock lock(mutex_);
    end = rows_.end();
    live = rows_.live();
  }
  // The vectors of these labels stay where they are, so no lock is held.
  ARROW_ASSIGN_OR_RAISE(auto graph, HnswGraph::Make(&rows_.vectors(), distance_));
  MemoryShare memory(source_.memory);
  std::vector<uint32_t> labels;
  for (uint32_t label = 0; label < end; ++label) {
    if (HasBit(live, label)) labels.push_back(label);
  }
  ARROW_RETURN_NOT_OK(graph->Reserve(labels.size()));
  const int threads = ThreadCount();
  for (std::span<const uint32_t> rest = labels; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kBuildStep * static_cast<size_t>(threads)));
    ARROW_RETURN_NOT_OK(graph->Add(some, threads));
    ARROW_RETURN_NOT_OK(memory.Set(graph->bytes()));
    if (closing()) return Status::OK();
    rest = rest.subspan(some.size());
  }
  {
    const std::unique_lock lock(mutex_);
    graph_ = std::move(graph);
    graph_end_ = end;
  }
  ARROW_RETURN_NOT_OK(memory.Set(0));
  return graph_memory_.Set(graph_->bytes());
}

Status EmbeddingIndex::ExtendGraph(const std::function<bool()>& closing) {
  while (!closing()) {
    {
      const std::unique_lock lock(mutex_);
      const auto until = std::chrono::steady_clock::now() + kTurn;
      while (graph_end_ < rows_.end() && std::chrono::steady_clock::now() < until) {
        if (HasBit(rows_.live(), graph_end_)) {
          ARROW_RETURN_NOT_OK(graph_->Add({&graph_end_, 1}, /*threads=*/1));
        }
        ++graph_end_;
      }
      if (graph_end_ == rows_.end()) break;
    }
    ARROW_RETURN_NOT_OK(graph_memory_.Set(graph_->bytes()));
  }
  return graph_memory_.Set(graph_->bytes());
}

}  // namespace tercet
