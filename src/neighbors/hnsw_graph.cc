#include "neighbors/hnsw_graph.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <system_error>
#include <thread>

#include <usearch/index.hpp>

#include "neighbors/fair_mutex.h"
#include "neighbors/graph_bytes.h"

namespace tercet {
namespace {

namespace us = unum::usearch;

using Index = us::index_gt<float, uint32_t, uint32_t>;

constexpr size_t kLinks = 16;             // M; twice that in the lowest layer
constexpr size_t kCandidatesToAdd = 128;  // efConstruction
constexpr size_t kFirstCapacity = 1024;
/// How many threads search, or add, at once; others wait for their turn.
constexpr size_t kUsers = 64;
constexpr size_t kAlone = 256;  // vectors that one thread adds before others help
constexpr size_t kEach = 16;    // that another thread is worth starting for

/// A number for each thread that searches, which has memory of its own in the index.
class Turns {
 public:
  Turns() {
    for (size_t i = 0; i < kUsers; ++i) free_.push_back(i);
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

  Status Reserve(size_t vectors) override {
    if (vectors <= index_.capacity()) return Status::OK();
    if (!index_.try_reserve(us::index_limits_t(vectors, kUsers))) return OutOfMemory();
    labels_.resize(vectors);
    return Status::OK();
  }

  Status Add(std::span<const uint32_t> labels, int threads) override {
    const size_t needed = size() + labels.size();
    if (needed > index_.capacity()) {
      ARROW_RETURN_NOT_OK(Reserve(std::max({kFirstCapacity, needed, size() + size() / 2})));
    }
    // The first ones one by one: where little is linked yet, threads do not find each other's.
    const size_t alone = std::min(labels.size(), kAlone - std::min(kAlone, size()));
    for (const uint32_t label : labels.first(alone)) ARROW_RETURN_NOT_OK(AddOne(label, 0));
    std::atomic<size_t> next{alone};
    std::mutex failing;
    Status failed;  // guarded by failing
    const auto work = [&](size_t thread) {
      for (size_t i = next++; i < labels.size(); i = next++) {
        const Status added = AddOne(labels[i], thread);
        if (added.ok()) continue;
        next = labels.size();
        const std::lock_guard lock(failing);
        if (failed.ok()) failed = added;
      }
    };
    {
      const size_t most = std::min({static_cast<size_t>(std::max(threads, 1)), kUsers,
                                    (labels.size() - alone) / kEach + 1});
      std::vector<std::jthread> others;
      try {
        for (size_t thread = 1; thread < most; ++thread) others.emplace_back(work, thread);
      } catch (const std::system_error&) {
        // Those that are there do the work.
      }
      work(0);
    }
    return failed;
  }

  Result<std::vector<NearLabel>> Search(
      const float* query, size_t count, size_t candidates,
      const std::function<bool(uint32_t)>& allowed) const override {
    const Turn turn(&turns_);
    us::index_search_config_t config;
    config.expansion = std::max(count, candidates);
    config.thread = turn.number();
    const auto fits = [this, &allowed](const Index::member_cref_t& member) {
      return allowed == nullptr || allowed(labels_[get_slot(member)]);
    };
    auto found = index_.search(query, count, Metric{this}, config, fits, Prefetch{this});
    if (found.error) {
      return Status::CapacityError("searching a graph: ", found.error.release());
    }
    std::vector<NearLabel> nearest;
    nearest.reserve(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      nearest.push_back({found[i].distance, labels_[get_slot(found[i].member)]});
    }
    return nearest;
  }

  Status Save(const std::function<Status(std::string_view)>& write) const override {
    Status written;
    auto saved = index_.save_to_stream([&](const void* bytes, size_t size) {
      written = write(std::string_view(static_cast<const char*>(bytes), size));
      return written.ok();
    });
    const char* error = saved.error.release();
    ARROW_RETURN_NOT_OK(written);
    return error == nullptr ? Status::OK() : Status::IOError("writing a graph: ", error);
  }
  size_t saved_bytes() const override { return index_.serialized_length(); }

  /// Of bytes that CheckGraphBytes has passed.
  Status Read(size_t vectors, std::string_view bytes) {
    // For so many at once from the start; members come with the bytes.
    if (!index_.try_reserve(us::index_limits_t(0, kUsers))) return OutOfMemory();
    auto read = index_.load_from_stream([&](void* to, size_t size) {
      if (bytes.size() < size) return false;
      std::memcpy(to, bytes.data(), size);
      bytes.remove_prefix(size);
      return true;
    });
    if (read.error) {
      return Status::CapacityError("reading a graph: ", read.error.release());
    }
    labels_.resize(vectors);
    std::iota(labels_.begin(), labels_.end(), 0U);
    bytes_ = vectors * (kLabelBytes + index_.memory_usage_per_node(0));
    return Status::OK();
  }

  std::span<const uint32_t> labels() const override { return {labels_.data(), size()}; }
  size_t size() const override { return index_.size(); }
  size_t bytes() const override { return bytes_; }

 private:
  /// A slot's label, its node's address, and what the higher layers and the allocator take.
  static constexpr size_t kLabelBytes = sizeof(uint32_t) + sizeof(void*) + 24;

  static Status OutOfMemory() { return Status::CapacityError("there is no memory for a graph"); }

  Status AddOne(uint32_t label, size_t thread) {
    us::index_update_config_t config;
    config.expansion = kCandidatesToAdd;
    config.thread = thread;
    // Before it is linked: others measure from its slot as soon as that is done, so its label is
    // there. And what lies in a higher layer is linked alone, since that goes from the top: others
    // who came down to it would find no links below, link to it only, and be lost.
    std::shared_lock<FairMutex> among;
    std::unique_lock<FairMutex> alone;
    const auto begin = [&](const Index::member_ref_t& member) {
      labels_[get_slot(member)] = label;
      if (LayerOf(member) == 0) {
        among = std::shared_lock(linking_);
      } else {
        alone = std::unique_lock(linking_);
      }
    };
    auto added =
        index_.add(label, vectors_->at(label), Metric{this}, config, begin, Prefetch{this});
    if (added.error) {
      return Status::CapacityError("adding a vector to a graph: ", added.error.release());
    }
    bytes_ += kLabelBytes + index_.memory_usage_per_node(0);
    return Status::OK();
  }

  /// The highest that a vector is in, which its node has behind its key.
  static int16_t LayerOf(const Index::member_ref_t& member) {
    int16_t layer;
    std::memcpy(&layer, reinterpret_cast<const char*>(member.key.ptr()) + sizeof(uint32_t),
                sizeof(layer));
    return layer;
  }

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
  std::vector<uint32_t> labels_;  // by slot, as many as there is room for
  std::atomic<size_t> bytes_{0};
  FairMutex linking_;  // shared by vectors of the lowest layer alone
  mutable Turns turns_;
};

}  // namespace

Result<std::unique_ptr<HnswGraph>> HnswGraph::Make(const VectorStore* vectors,
                                                   FloatDistance distance) {
  return std::make_unique<UsearchGraph>(vectors, distance);
}

Result<std::unique_ptr<HnswGraph>> HnswGraph::Load(const VectorStore* vectors,
                                                   FloatDistance distance, size_t count,
                                                   std::string_view bytes) {
  ARROW_RETURN_NOT_OK(CheckGraphBytes(bytes, count, kLinks));
  auto graph = std::make_unique<UsearchGraph>(vectors, distance);
  ARROW_RETURN_NOT_OK(graph->Read(count, bytes));
  return graph;
}

}  // namespace tercet
