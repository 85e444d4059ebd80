#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "neighbors/hnsw_graph.h"

/// Bytes that are taken for a graph can be searched and added to.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t vectors = data[0];
  tercet::VectorStore store(2);
  for (uint32_t label = 0; label <= vectors; ++label) {
    const float vector[] = {static_cast<float>(label), 1};
    if (!store.Put(label, vector).ok()) std::abort();
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto graph = tercet::HnswGraph::Load(
      &store, tercet::FloatDistanceOf(tercet::VectorMetric::kL2), vectors, bytes);
  if (!graph.ok()) return 0;
  const uint32_t next = static_cast<uint32_t>(vectors);
  if (!(*graph)->Search(store.at(0), 3, 8, nullptr).ok()) std::abort();
  if (!(*graph)->Add({&next, 1}, 1).ok()) std::abort();
  return 0;
}
