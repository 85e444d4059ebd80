#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tercet {

/// What is computed of two vectors, in doubles whatever they are stored as: by expressions
/// (dot_product, l2_distance, cosine_similarity) and by the search for nearest neighbours, so that
/// both give the same bits.

/// The sum of F over pairs of elements, in an order that depends on their count alone: eight sums
/// side by side, which are added up at the end.
template <auto F, typename A, typename B>
double SumOfPairs(const A* a, const B* b, int64_t count) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t k = 0; k < kLanes; ++k) {
      lanes[k] += F(static_cast<double>(a[i + k]), static_cast<double>(b[i + k]));
    }
  }
  for (int64_t k = 0; i + k < count; ++k) {
    lanes[k] += F(static_cast<double>(a[i + k]), static_cast<double>(b[i + k]));
  }
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <typename A, typename B>
double DotProduct(const A* a, const B* b, int64_t count) {
  return SumOfPairs<[](double x, double y) { return x * y; }>(a, b, count);
}

/// Euclidean.
template <typename A, typename B>
double L2Distance(const A* a, const B* b, int64_t count) {
  return std::sqrt(SumOfPairs<[](double x, double y) { return (x - y) * (x - y); }>(a, b, count));
}

/// NaN where one has no direction.
template <typename A, typename B>
double CosineSimilarity(const A* a, const B* b, int64_t count) {
  const double lengths = std::sqrt(DotProduct(a, a, count)) * std::sqrt(DotProduct(b, b, count));
  const double cosine = DotProduct(a, b, count) / lengths;
  // Rounding may lead beyond one; NaN stays.
  return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

/// How near two vectors are.
enum class VectorMetric : uint8_t {
  kCosine,        ///< 1 − cosine similarity, from 0 (the same direction) to 2
  kL2,            ///< the Euclidean distance
  kInnerProduct,  ///< −(inner product)
};
std::string_view VectorMetricName(VectorMetric metric);            ///< "cosine", "l2", …
Result<VectorMetric> VectorMetricFromName(std::string_view name);  ///< Invalid with a suggestion

/// Smaller is nearer.
template <typename A, typename B>
double VectorDistance(VectorMetric metric, const A* a, const B* b, int64_t count) {
  switch (metric) {
    case VectorMetric::kCosine:
      return 1 - CosineSimilarity(a, b, count);
    case VectorMetric::kL2:
      return L2Distance(a, b, count);
    case VectorMetric::kInnerProduct:
      return -DotProduct(a, b, count);
  }
  return NAN;
}

}  // namespace tercet
