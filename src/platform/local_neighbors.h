#pragma once

#include <vector>

#include "neighbors/neighbor_search.h"
#include "platform/neighbors.h"

namespace tercet {

/// Neighbors in this process's memory.
class LocalNeighbors : public Neighbors {
 public:
  LocalNeighbors(Catalog* catalog, FeatureTables* tables, OnlineRows* online, const Clock* clock,
                 const NeighborOptions& options)
      : search_(catalog, tables, online, clock, options) {}

  Result<NeighborsAnswer> Find(const Ref& group, const NeighborsRequest& request) override {
    return search_.Find(group, request);
  }
  Result<std::vector<NeighborIndexInfo>> Indexes() override { return search_.Indexes(); }
  void Forget(const Ref& group) { search_.Forget(group); }

 private:
  NeighborSearch search_;
};

}  // namespace tercet
