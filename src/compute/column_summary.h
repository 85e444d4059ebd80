#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>

#include <arrow/chunked_array.h>

#include "base/json.h"
#include "base/result.h"
#include "compute/column_values.h"
#include "compute/distinct_count.h"
#include "compute/quantile_sketch.h"

namespace tercet {

/// What is known of some rows of one column after one pass over them, in bounded memory. Summaries
/// of parts merge into that of the whole, so rows may be summed up by many threads; what depends
/// on order depends on that of the merges only.
class ColumnSummary {
 public:
  /// Rows that are best summed up at once.
  static constexpr int64_t kRows = 1 << 20;
  /// How much text of different values is kept to count them by.
  static constexpr int64_t kMaxCountedBytes = 4 << 20;

  static Result<ColumnSummary> Of(const arrow::ChunkedArray& rows);
  /// `later` is of the rows that follow, in a column of the same type.
  void Merge(const ColumnSummary& later);
  /// The statistics that statistics.h describes.
  json::object ToJson() const;

 private:
  void AddDoubles(const ColumnValues& values);
  void AddIntegers(const ColumnValues& values);
  void AddBools(const ColumnValues& values);
  void AddStrings(const ColumnValues& values);
  void Count(std::string_view value, int64_t times);
  void AddNumbers(std::span<const double> finite);
  void PutNumbers(json::object* out) const;

  expr::Kind kind_ = expr::Kind::kOpaque;
  int64_t rows_ = 0;
  int64_t nulls_ = 0;
  DistinctCount distinct_;
  // numbers; `finite` ones make up mean, squares and sketch
  int64_t nans_ = 0, infinite_ = 0, finite_ = 0;
  double mean_ = 0, squares_ = 0;  ///< squares of the distances from the mean
  double least_ = std::numeric_limits<double>::infinity();
  double most_ = -std::numeric_limits<double>::infinity();
  QuantileSketch sketch_;
  // integers and times
  int64_t least_integer_ = std::numeric_limits<int64_t>::max();
  int64_t most_integer_ = std::numeric_limits<int64_t>::min();
  // bools
  int64_t trues_ = 0, falses_ = 0;
  // strings, in characters; counts while distinct is exact and their text is short
  int64_t shortest_ = std::numeric_limits<int64_t>::max(), longest_ = -1;
  std::unordered_map<std::string, int64_t> counts_;
  int64_t counted_bytes_ = 0;  ///< of the keys; beyond kMaxCountedBytes they are let go
};

}  // namespace tercet
