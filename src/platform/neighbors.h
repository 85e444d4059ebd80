#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"
#include "catalog/neighbors.h"
#include "catalog/noun.h"
#include "platform/platform.h"

namespace tercet {

/// A search for entities of a feature view by rows of one of its groups: candidates for a model.
struct VectorNeighborsRequest {
  /// `column`: an embedding by its name in the view, selected there or not; empty: the only one of
  /// the view's groups. `filter`: over the view's features and helper columns, as they are before
  /// transformation, its entity columns, and other columns of the embedding's group. `columns`:
  /// none.
  NeighborsRequest search;
  /// What a request for vectors needs beside what the rows found say (other keys, request
  /// parameters), and what it may bring: one row for all vectors, or one for each. Null: nothing.
  std::shared_ptr<arrow::RecordBatch> entities;
  /// As VectorRequest's.
  std::optional<int64_t> training_dataset_version;

  /// Where the filter asks for what is not the embedding's group's, it looks at no more of the
  /// nearest.
  static constexpr int64_t kMaxLookedAt = NeighborsRequest::kMaxK;
};

/// Aligned rows: vector by vector, nearest first.
struct VectorNeighborsAnswer {
  std::shared_ptr<arrow::RecordBatch> near;      ///< "_query" (int64), "_distance" (double)
  std::shared_ptr<arrow::RecordBatch> entities;  ///< as Vectors and Predict take them
  VectorData vectors;
  int64_t commit = -1;  ///< as NeighborsAnswer's
};

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

  /// Finds rows of a view's group as Find does, and reads the view's vectors of the entities that
  /// they are of, as Platform::Vectors does. Also Invalid where the group's rows and `entities`
  /// together don't say which entity is meant, or say something twice.
  virtual Result<VectorNeighborsAnswer> FindVectors(const Ref& view,
                                                    const VectorNeighborsRequest& request) = 0;

  /// The indexes in this process's memory (a server's: in that server's).
  virtual Result<std::vector<NeighborIndexInfo>> Indexes() = 0;
};

}  // namespace tercet
