#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
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
/// Any number of threads may search at once, none while vectors are added.
class HnswGraph {
 public:
  /// The store must outlive it.
  static Result<std::unique_ptr<HnswGraph>> Make(const VectorStore* vectors,
                                                 FloatDistance distance);
  /// The graph that Save wrote, of as many vectors: labels from 0 on stand for those that labels()
  /// named then, in their order. Invalid for bytes that are no such graph, CapacityError when there
  /// is no memory for it.
  static Result<std::unique_ptr<HnswGraph>> Load(const VectorStore* vectors, FloatDistance distance,
                                                 size_t count, std::string_view bytes);
  virtual ~HnswGraph() = default;

  /// Of vectors that are in the store, by several threads at once, each of the priority of the one
  /// that calls; which links they get differs from time to time. CapacityError when there is no
  /// memory for one: then some of the others are there.
  virtual Status Add(std::span<const uint32_t> labels, int threads) = 0;
  /// Makes room for so many vectors in all, so that none has to be made while they are added.
  virtual Status Reserve(size_t vectors) = 0;

  /// The nearest `count` of the labels that are allowed (null: of all), nearest first; fewer where
  /// the graph leads to fewer. `candidates`: how many it weighs before it is content, HNSW's ef; at
  /// least `count`.
  virtual Result<std::vector<NearLabel>> Search(
      const float* query, size_t count, size_t candidates,
      const std::function<bool(uint32_t label)>& allowed) const = 0;

  /// Writes the links, without vectors and labels: saved_bytes() in all. Nothing is added
  /// meanwhile.
  virtual Status Save(const std::function<Status(std::string_view)>& write) const = 0;
  virtual size_t saved_bytes() const = 0;
  /// As they came in; until something is added.
  virtual std::span<const uint32_t> labels() const = 0;

  virtual size_t size() const = 0;
  virtual size_t bytes() const = 0;
};

}  // namespace tercet
