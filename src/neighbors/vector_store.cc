#include "neighbors/vector_store.h"

#include <cstring>

namespace tercet {

VectorStore::VectorStore(size_t dimension)
    : dimension_(dimension),
      floats_(PaddedFloats(dimension)),
      blocks_(std::make_unique<std::unique_ptr<float[]>[]>(kMaxLabels / kBlockVectors)) {}

Status VectorStore::Put(uint32_t label, const float* vector) {
  if (label >= kMaxLabels) {
    return Status::CapacityError("an index has at most ", kMaxLabels, " vectors");
  }
  std::unique_ptr<float[]>& block = blocks_[label / kBlockVectors];
  if (block == nullptr) {
    block = std::make_unique<float[]>(kBlockVectors * floats_);
    blocks_bytes_ += kBlockVectors * floats_ * sizeof(float);
  }
  std::memcpy(block.get() + (label % kBlockVectors) * floats_, vector, dimension_ * sizeof(float));
  return Status::OK();
}

}  // namespace tercet
