#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "catalog/embedding.h"
#include "catalog/feature_group.h"
#include "catalog/neighbors.h"
#include "catalog/online_rows.h"
#include "neighbors/embedding_rows.h"
#include "neighbors/fair_mutex.h"
#include "neighbors/hnsw_graph.h"
#include "neighbors/index_memory.h"
#include "neighbors/online_columns.h"
#include "neighbors/row_filter.h"
#include "offline/table.h"

namespace tercet {

/// What an index is of, and what it is kept by. All that is pointed to outlives it.
struct IndexSource {
  FeatureGroupDefinition group;  ///< with its schema
  std::string column;
  EmbeddingDefinition embedding;
  int64_t dimension = 0;
  std::shared_ptr<Table> table;
  OnlineRows* online = nullptr;
  const Clock* clock = nullptr;
  IndexMemory* memory = nullptr;
  FileSystem* files = nullptr;
  std::string file;  ///< where its graph is kept for the next process; empty: nowhere
};

/// What is asked of an index.
struct LabelSearch {
  size_t count = 0;       ///< candidates wanted for each vector
  size_t candidates = 0;  ///< that the graph weighs
  bool exact = false;
  std::string filter_text;
  std::shared_ptr<const RowFilter> filter;  ///< null: all rows
};

/// Keys that may be among the nearest, for each vector.
struct NearKeys {
  std::shared_ptr<arrow::RecordBatch> keys;  ///< of all vectors, one after another
  std::vector<int64_t> ends;                 ///< of each vector's keys in `keys`
  /// Of each vector: whether there may be rows that fit and are not among the keys.
  std::vector<bool> more;
  int64_t commit = -1;
};

/// The index of one embedding of one group. Thread-safe.
///
/// Changed in two ways: whoever searches has it follow the group first (one thread at a time), and
/// a thread in the background brings vectors into the graph (Work). Both lock readers out for no
/// longer than it takes to put in what was read before.
class EmbeddingIndex {
 public:
  /// Reads a group's rows. The graph comes later, by Work; or, where `recall` is set and the source
  /// has a file that fits, from there, with all vectors that are still the same.
  static Result<std::shared_ptr<EmbeddingIndex>> Load(IndexSource source, bool recall = false);

  /// Follows the group to the commit that is online now. False when the change feed does not lead
  /// there, so that the group has to be loaded anew.
  Result<bool> CatchUp();

  /// `vectors`: as ToFloats makes them, padded. CapacityError where a column that the filter needs
  /// does not fit in memory.
  Result<NearKeys> Search(std::span<const std::vector<float>> vectors, const LabelSearch& search);

  /// Whether vectors wait to come into the graph.
  bool HasWork() const;
  /// Brings them there, a moment's work with readers locked out at a time, until there is none or
  /// `closing` says so. One thread at a time.
  Status Work(const std::function<bool()>& closing);
  /// Writes the graph to the source's file, if it has one and the graph has grown much since. Not
  /// beside Work.
  Status Keep();
  /// Whether so many rows are dead that a new index would be much smaller.
  bool IsWorn() const;

  const IndexSource& source() const { return source_; }
  NeighborIndexInfo Info() const;

 private:
  explicit EmbeddingIndex(IndexSource source);

  Status LoadRows();
  /// Takes the rows and the graph of the source's file, of which LoadRows says what is still so.
  /// KeyError when there is no file.
  Status Recall();
  /// What a file must be of.
  json::object FileOf() const;
  Result<bool> Follow(int64_t commit);
  /// Reads rows by key and takes in what they are now.
  Status Refresh(const std::shared_ptr<arrow::RecordBatch>& keys);
  Status RefreshSlice(const std::shared_ptr<arrow::RecordBatch>& keys);
  Status RefreshDue(int64_t now_us);
  void DropExpired(int64_t now_us);
  /// Reads the columns that a filter asks for and the rows don't have yet.
  Status AddColumns(const std::vector<std::string>& names);

  /// What a search may find: live rows that fit the filter and are not past their TTL.
  struct Allowed {
    const LabelBits* bits = nullptr;
    size_t count = 0;                  ///< of bits, TTL or not
    std::optional<int64_t> oldest_us;  ///< of the event times
  };
  bool IsFresh(const Allowed& allowed, uint32_t label) const {
    return !allowed.oldest_us || rows_.event_time_us(label) >= *allowed.oldest_us;
  }
  bool IsAllowed(const Allowed& allowed, uint32_t label) const {
    return HasBit(*allowed.bits, label) && IsFresh(allowed, label);
  }
  /// Compares with every row that is allowed, from a label on, and keeps the nearest `count`.
  void Scan(const float* vector, uint32_t first, size_t count, const Allowed& allowed,
            std::vector<NearLabel>* nearest) const;
  Result<std::vector<NearLabel>> SearchOne(const float* vector, const LabelSearch& search,
                                           const Allowed& allowed);
  Status BuildGraph(const std::function<bool()>& closing);
  Status ExtendGraph(const std::function<bool()>& closing);

  const IndexSource source_;
  const FloatDistance distance_;
  const int key_columns_;

  /// A key to be read again at a time: a row is dated ahead.
  struct Due {
    int64_t time_us;
    std::shared_ptr<arrow::RecordBatch> key;
    bool operator<(const Due& other) const { return time_us > other.time_us; }
  };

  std::mutex following_;  // one thread changes the rows; of what follows
  std::priority_queue<Due> due_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> unavailable_;  // keys to be read again
  LabelBits unconfirmed_;  // rows of a file that the online store was not asked about yet
  MemoryShare row_memory_;
  std::atomic<int64_t> next_due_us_;     // the first of due_, or now where a key was unavailable
  std::atomic<int64_t> next_expiry_us_;  // when to look for rows past their TTL
  std::atomic<int64_t> commit_{-1};

  mutable FairMutex mutex_;  // of what follows; rows_ is written under following_, too
  EmbeddingRows rows_;
  std::unique_ptr<HnswGraph> graph_;  // null: not built yet
  uint32_t graph_end_ = 0;            // labels from here on are not in the graph

  MemoryShare graph_memory_;                 // of the thread that works
  size_t kept_ = 0;                          // vectors of the graph on disk; the same thread's
  std::atomic<size_t> graph_refused_at_{0};  // live rows, when there was no memory for a graph
  FilteredRows filtered_;
  std::atomic<int64_t> searches_{0}, exact_{0};
};

}  // namespace tercet
