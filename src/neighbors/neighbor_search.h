#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "catalog/neighbors.h"
#include "catalog/online_rows.h"
#include "neighbors/embedding_index.h"
#include "neighbors/index_builder.h"
#include "neighbors/index_memory.h"
#include "offline/feature_tables.h"

namespace tercet {

struct NeighborOptions {
  size_t index_bytes = size_t{4} << 30;  ///< that all indexes of the process may take of memory
  /// Where graphs are kept for the next process; empty: nowhere.
  std::string folder = {};
  std::shared_ptr<FileSystem> file_system = LocalFileSystem();

  /// With the bytes that the environment's TERCET_INDEX_BYTES says. Invalid when that is no whole
  /// number.
  static Result<NeighborOptions> FromEnvironment();
};

/// Finds nearest neighbours in the embeddings of a project's feature groups, with one index an
/// embedding in this process's memory, read when it is first asked for. Thread-safe.
class NeighborSearch {
 public:
  /// What is given outlives it.
  NeighborSearch(Catalog* catalog, FeatureTables* tables, OnlineRows* online, const Clock* clock,
                 const NeighborOptions& options)
      : catalog_(catalog),
        tables_(tables),
        online_(online),
        clock_(clock),
        files_(options.file_system),
        folder_(options.folder),
        memory_(options.index_bytes) {}

  /// See platform/neighbors.h.
  Result<NeighborsAnswer> Find(const Ref& group, const NeighborsRequest& request);

  std::vector<NeighborIndexInfo> Indexes();
  /// Gives the memory of a group's indexes back, and takes their files away.
  Status Forget(const Ref& group);

  size_t used_bytes() const { return memory_.used_bytes(); }

 private:
  /// A group as the catalog has it.
  struct KnownGroup {
    int64_t change_counter = 0;
    FeatureGroupDefinition definition;
    std::shared_ptr<Table> table;
  };
  Result<std::shared_ptr<const KnownGroup>> GroupOf(const Ref& ref);
  std::shared_ptr<IndexPlace> PlaceOf(const IndexSource& source);
  /// An index that has followed its group to now.
  Result<std::shared_ptr<EmbeddingIndex>> Current(const IndexSource& source);

  Catalog* const catalog_;
  FeatureTables* const tables_;
  OnlineRows* const online_;
  const Clock* const clock_;
  const std::shared_ptr<FileSystem> files_;
  const std::string folder_;
  IndexMemory memory_;
  std::mutex mutex_;
  std::map<std::pair<Ref, std::string>, std::shared_ptr<IndexPlace>> places_;  // guarded by mutex_
  std::map<Ref, std::shared_ptr<const KnownGroup>> groups_;  // as asked for; guarded by mutex_
  IndexBuilder builder_;                                     // stops first
};

}  // namespace tercet
