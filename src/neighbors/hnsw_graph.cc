#include "neighbors/hnsw_graph.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <usearch/index.hpp>

namespace tercet {
namespace {

namespace us = unum::usearch;

using Index = us::index_gt<float, uint32_t, uint32_t>;

constexpr size_t kLinks = 16;             // M; twice that in the lowest layer
constexpr size_t kCandidatesToAdd = 128;  // efConstruction
constexpr size_t kFirstCapacity = 1024;
/// How many threads search at once; others wait for their turn.
constexpr size_t kSearchers = 64;

/// A number for each thread that searches, which has memory of its own in the index.
class Turns {
 public:
  Turns() {
    for (size_t i = 0; i < kSearchers; ++i) free_.push_back(i);
  }
  size_t Take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return !free_.empty(); });
    const size_t turn = free_.back();
    free_.pop_back();
    return turn;
  }
  void Give(size_t turn) {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(turn);
    }
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<size_t> free_;  // guarded by mutex_
};

class Turn {
 public:
  explicit Turn(Turns* turns) : turns_(turns), number_(turns->Take()) {}
  ~Turn() { turns_->Give(number_); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  size_t number() const { return number_; }

 private:
  Turns* const turns_;
  const size_t number_;
};

class UsearchGraph : public HnswGraph {
 public:
  UsearchGraph(const VectorStore* vectors, FloatDistance distance)
      : vectors_(vectors), distance_(distance), index_(us::index_config_t(kLinks, 2 * kLinks)) {}

  Status Add(uint32_t label) override {
    if (labels_.size() == index_.capacity()) {
      const size_t more = std::max(kFirstCapacity, labels_.size() + labels_.size() / 2);
      if (!index_.try_reserve(us::index_limits_t(more, kSearchers))) return OutOfMemory();
      labels_.reserve(more);
    }
    // Slots are given in the order of adding, and this one is measured from as soon as it is
    // linked.
    labels_.push_back(label);
    us::index_update_config_t config;
    config.expansion = kCandidatesToAdd;
    auto added = index_.add(label, vectors_->at(label), Metric{this}, config,
                            us::dummy_callback_t{}, Prefetch{this});
    if (added.error) {
      labels_.pop_back();
      return Status::CapacityError("adding a vector to a graph: ", added.error.release());
    }
    bytes_ += kLabelBytes + index_.memory_usage_per_node(0);
    return Status::OK();
  }

  Result<std::vector<NearLabel>> Search(
      const float* query, size_t count, size_t candidates,
      const std::function<bool(uint32_t)>& allowed) const override {
    const Turn turn(&turns_);
    us::index_search_config_t config;
    config.expansion = std::max(count, candidates);
    config.thread = turn.number();
    const auto fits = [&allowed](const Index::member_cref_t& member) {
      return allowed(static_cast<uint32_t>(member.key));
    };
    auto found = index_.search(query, count, Metric{this}, config, fits, Prefetch{this});
    if (found.error) {
      return Status::CapacityError("searching a graph: ", found.error.release());
    }
    std::vector<NearLabel> nearest;
    nearest.reserve(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      nearest.push_back({found[i].distance, static_cast<uint32_t>(found[i].member.key)});
    }
    return nearest;
  }

  size_t size() const override { return labels_.size(); }
  size_t bytes() const override { return bytes_; }

 private:
  /// A slot's label, its node's address, and what the higher layers and the allocator take.
  static constexpr size_t kLabelBytes = sizeof(uint32_t) + sizeof(void*) + 24;

  static Status OutOfMemory() { return Status::CapacityError("there is no memory for a graph"); }

  const float* at(size_t slot) const { return vectors_->at(labels_[slot]); }

  struct Metric {
    const UsearchGraph* graph;
    template <typename Entry>
    float operator()(const float* query, const Entry& entry) const {
      return graph->distance_(query, graph->at(get_slot(entry)), graph->vectors_->floats());
    }
    template <typename Entry>
    float operator()(const Entry& a, const Entry& b) const {
      return graph->distance_(graph->at(get_slot(a)), graph->at(get_slot(b)),
                              graph->vectors_->floats());
    }
  };

  /// The next vectors are on their way from memory while the first is compared.
  struct Prefetch {
    const UsearchGraph* graph;
    template <typename Iterator>
    void operator()(Iterator begin, Iterator end) const {
      for (; begin != end; ++begin) {
        const float* vector = graph->at(get_slot(begin));
        // The first lines; the machine sees by itself how they go on.
        const size_t ahead = std::min(graph->vectors_->floats(), 4 * kFloatStep);
        for (size_t i = 0; i < ahead; i += kFloatStep) __builtin_prefetch(vector + i);
      }
    }
  };

  const VectorStore* const vectors_;
  const FloatDistance distance_;
  Index index_;
  std::vector<uint32_t> labels_;  // by slot
  size_t bytes_ = 0;
  mutable Turns turns_;
};

}  // namespace

Result<std::unique_ptr<HnswGraph>> HnswGraph::Make(const VectorStore* vectors,
                                                   FloatDistance distance) {
  return std::make_unique<UsearchGraph>(vectors, distance);
}

}  // namespace tercet
