#pragma once

#include <vector>

#include "base/result.h"
#include "catalog/neighbors.h"
#include "catalog/noun.h"

namespace tercet {

/// The rows of online feature groups that are nearest to a vector. Thread-safe.
class Neighbors {
 public:
  virtual ~Neighbors() = default;

  /// Of the group's rows as online reads see them now. The first search of an embedding in a
  /// process reads the group into memory; a server's memory is the server's. KeyError for a group
  /// that is not online, or has no such embedding or column; Invalid for vectors of another
  /// dimension, with an element that is not finite or (cosine) without a direction, and for numbers
  /// out of their limits; TypeError for a filter that is no condition; CapacityError where the
  /// index would take more memory than it may.
  virtual Result<NeighborsAnswer> Find(const Ref& group, const NeighborsRequest& request) = 0;

  /// The indexes in this process's memory (a server's: in that server's).
  virtual Result<std::vector<NeighborIndexInfo>> Indexes() = 0;
};

}  // namespace tercet
