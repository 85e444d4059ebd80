#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"
#include "catalog/noun.h"

namespace tercet {

/// A search for the rows of an online feature group that are nearest to each of some vectors.
struct NeighborsRequest {
  std::vector<std::vector<double>> vectors;
  int64_t k = 10;                    ///< rows wanted for each vector
  std::string column;                ///< the embedding; empty: the group's only one
  std::string filter;                ///< an expression of boolean type; empty: all rows
  std::vector<std::string> columns;  ///< wanted; empty: all of the group's
  bool exact = false;                ///< compare with every row, instead of asking the index
  /// How many rows the index weighs for each vector (HNSW's ef): more find more of the nearest and
  /// take longer. Absent: kDefaultCandidates, or 2 k if that is more.
  std::optional<int64_t> candidates;

  static constexpr int64_t kMaxK = 10'000;
  static constexpr int64_t kMaxRows = 1'000'000;  ///< k times vectors
  static constexpr int64_t kDefaultCandidates = 128;

  /// Numbers are in their limits; says what is not.
  Status Check() const;
  /// {"vectors": [[…], …], "k", "column", "filter", "columns", "exact", "candidates"}; all but
  /// "vectors" optional.
  json::object ToJson() const;
  static Result<NeighborsRequest> FromJson(const json::object& object);
};

struct NeighborsAnswer {
  /// Vector by vector, nearest first: "_query" (int64: which vector, from 0), "_distance" (double;
  /// see VectorMetric), then the columns wanted. Fewer than k rows for a vector only where no more
  /// rows fit.
  std::shared_ptr<arrow::RecordBatch> rows;
  /// All rows of this commit of the group were looked at; single ones may be newer, none is older.
  int64_t commit = -1;
};

/// An index in the memory of one process.
struct NeighborIndexInfo {
  Ref group;
  std::string column;
  int64_t rows = 0;      ///< with a vector
  int64_t in_graph = 0;  ///< of these, how many the graph has; the others are compared one by one
  int64_t bytes = 0;     ///< of memory
  int64_t commit = -1;   ///< that it has followed the group to
  int64_t searches = 0;  ///< vectors that were searched for
  int64_t exact = 0;     ///< of these, how many were compared with every row that fits

  json::object ToJson() const;
  static Result<NeighborIndexInfo> FromJson(const json::object& object);
};

}  // namespace tercet
