#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "neighbors/float_distance.h"

namespace tercet {

/// Vectors by label, from 0 on. A vector stays where it is and never changes once it was put there,
/// so whoever learned of its label under a lock may read it without. One writer at a time.
class VectorStore {
 public:
  explicit VectorStore(size_t dimension);

  size_t dimension() const { return dimension_; }
  /// Of a vector, with its padding.
  size_t floats() const { return floats_; }

  /// CapacityError beyond kMaxLabels.
  Status Put(uint32_t label, const float* vector);
  const float* at(uint32_t label) const {
    return blocks_[label / kBlockVectors].get() + (label % kBlockVectors) * floats_;
  }
  size_t bytes() const { return blocks_bytes_; }

  static constexpr uint32_t kMaxLabels = 1U << 28;

 private:
  static constexpr uint32_t kBlockVectors = 1024;

  const size_t dimension_, floats_;
  size_t blocks_bytes_ = 0;
  // Of fixed size, since others read it while a block is added: pages that are not used cost
  // nothing.
  const std::unique_ptr<std::unique_ptr<float[]>[]> blocks_;
};

}  // namespace tercet
