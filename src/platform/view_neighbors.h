#pragma once

#include "platform/neighbors.h"

namespace tercet {

/// Neighbors::FindVectors by the other calls of a platform.
Result<VectorNeighborsAnswer> FindVectorNeighbors(Platform* platform, const Ref& view,
                                                  const VectorNeighborsRequest& request);

}  // namespace tercet
