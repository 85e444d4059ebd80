#pragma once

#include <cstddef>

#include "compute/vector_distance.h"

namespace tercet {

/// Distances that put candidates in order: in floats, by the widest instructions that the machine
/// has, so their last bits differ between machines. What is answered is computed anew
/// (compute/vector_distance.h).

/// Vectors are padded with zeros to a multiple of this, so that no distance has a rest to compute.
inline constexpr size_t kFloatStep = 16;
inline size_t PaddedFloats(size_t dimension) {
  return (dimension + kFloatStep - 1) / kFloatStep * kFloatStep;
}

/// Smaller is nearer. `count` is a multiple of kFloatStep.
using FloatDistance = float (*)(const float* a, const float* b, size_t count);

/// The squared Euclidean distance, or the negative inner product; the latter for kCosine, too,
/// whose vectors are of length one.
FloatDistance FloatDistanceOf(VectorMetric metric);

}  // namespace tercet
