#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <arrow/array.h>

#include "base/result.h"
#include "compute/vector_distance.h"

namespace tercet {

/// Vectors in a column of lists of float or double.
class VectorColumn {
 public:
  /// The array must be of a type that DimensionOf (catalog/embedding.h) takes.
  VectorColumn(std::shared_ptr<arrow::Array> array, int64_t dimension);

  /// Where a row's first element is, in doubles or floats; null where the row has no vector: it is
  /// null or of another length, or has a null.
  struct Elements {
    const float* floats = nullptr;
    const double* doubles = nullptr;
    explicit operator bool() const { return floats != nullptr || doubles != nullptr; }
  };
  Elements at(int64_t row) const;

  /// Exactly, in doubles; NaN where the row has no vector that can be compared.
  double Distance(VectorMetric metric, std::span<const double> query, int64_t row) const;

  /// A row's vector as the index keeps it. False where there is none that can be compared.
  bool Read(VectorMetric metric, int64_t row, float* out) const;

 private:
  const std::shared_ptr<arrow::Array> array_;
  const int64_t dimension_;
  std::shared_ptr<arrow::Array> elements_;
};

/// A vector as the index compares it: of length one for kCosine. False where it can't be compared:
/// an element is not finite, or none has a direction (kCosine), or the floats can't hold it.
bool ToFloats(VectorMetric metric, std::span<const double> vector, float* out);

}  // namespace tercet
