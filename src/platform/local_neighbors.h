#pragma once

#include <vector>

#include "neighbors/neighbor_search.h"
#include "platform/neighbors.h"
#include "platform/view_neighbors.h"

namespace tercet {

/// Neighbors in this process's memory.
class LocalNeighbors : public Neighbors {
 public:
  /// `platform` is asked for vectors; what is given outlives this.
  LocalNeighbors(Platform* platform, Catalog* catalog, FeatureTables* tables, OnlineRows* online,
                 const Clock* clock, const NeighborOptions& options)
      : platform_(platform), search_(catalog, tables, online, clock, options) {}

  Result<NeighborsAnswer> Find(const Ref& group, const NeighborsRequest& request) override {
    return search_.Find(group, request);
  }
  Result<VectorNeighborsAnswer> FindVectors(const Ref& view,
                                            const VectorNeighborsRequest& request) override {
    return FindVectorNeighbors(platform_, view, request);
  }
  Result<std::vector<NeighborIndexInfo>> Indexes() override { return search_.Indexes(); }
  /// That a group is gone, or rows of it were erased.
  Status Forget(const Ref& group) { return search_.Forget(group); }

 private:
  Platform* const platform_;
  NeighborSearch search_;
};

}  // namespace tercet
