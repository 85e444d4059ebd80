#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "neighbors/embedding_index.h"

namespace tercet {

/// Where the index of an embedding is, and another one after it.
class IndexPlace {
 public:
  /// An index of `source`: the one that is here, or, when that is of something else by now, a new
  /// one. Others who ask meanwhile wait for it.
  Result<std::shared_ptr<EmbeddingIndex>> Get(const IndexSource& source);
  /// Puts a new index in place of `old`, which is of no use any more and no longer held by the
  /// caller, if it is still here.
  Result<std::shared_ptr<EmbeddingIndex>> Reload(const EmbeddingIndex* old,
                                                 const IndexSource& source);
  /// The same with one that is ready; null: none, so that the next who asks makes one.
  void Replace(const std::shared_ptr<EmbeddingIndex>& old, std::shared_ptr<EmbeddingIndex> next);
  /// What is here, or null.
  std::shared_ptr<EmbeddingIndex> Here();

  /// For the builder, whether it has it on its list already.
  std::atomic_flag listed = ATOMIC_FLAG_INIT;

 private:
  std::mutex loading_;  // one thread loads
  std::mutex mutex_;
  std::shared_ptr<EmbeddingIndex> index_;  // guarded by mutex_
};

/// Builds graphs, and indexes in place of worn ones, in a thread of low priority. Thread-safe.
class IndexBuilder {
 public:
  IndexBuilder() = default;
  /// Stops where it is.
  ~IndexBuilder();

  /// Sees to a place soon, if there is anything to do.
  void Ask(const std::shared_ptr<IndexPlace>& place);

 private:
  void Run();
  void Build(const std::shared_ptr<IndexPlace>& place);
  /// Writes a graph down for the next process, unless the index is no longer in its place.
  void Keep(IndexPlace& place, const std::shared_ptr<EmbeddingIndex>& index);

  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::weak_ptr<IndexPlace>> asked_;  // guarded by mutex_
  std::thread thread_;                           // started with the first place
};

}  // namespace tercet
