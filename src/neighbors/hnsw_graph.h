#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "neighbors/float_distance.h"
#include "neighbors/vector_store.h"

namespace tercet {

/// A label and how far its vector is.
struct NearLabel {
  float distance;
  uint32_t label;
  bool operator<(const NearLabel& other) const {
    return distance != other.distance ? distance < other.distance : label < other.label;
  }
};

/// A hierarchical navigable small world (Malkov and Yashunin, 2018, arXiv:1603.09320) over vectors
/// of a store, by USearch's index_gt: 32 links a vector in the lowest layer. Approximate: it may
/// miss some of the nearest.
///
/// Any number of threads may search at once, none while a vector is added.
class HnswGraph {
 public:
  /// The store must outlive it.
  static Result<std::unique_ptr<HnswGraph>> Make(const VectorStore* vectors,
                                                 FloatDistance distance);
  virtual ~HnswGraph() = default;

  /// Of a vector that is in the store. CapacityError when there is no memory for it.
  virtual Status Add(uint32_t label) = 0;

  /// The nearest `count` of the labels that are allowed, nearest first; fewer where the graph leads
  /// to fewer. `candidates`: how many it weighs before it is content, HNSW's ef; at least `count`.
  virtual Result<std::vector<NearLabel>> Search(
      const float* query, size_t count, size_t candidates,
      const std::function<bool(uint32_t label)>& allowed) const = 0;

  virtual size_t size() const = 0;
  virtual size_t bytes() const = 0;
};

}  // namespace tercet
