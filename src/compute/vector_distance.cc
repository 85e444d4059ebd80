#include "compute/vector_distance.h"

#include "base/name.h"
#include "base/short_text.h"

namespace tercet {
namespace {

constexpr std::string_view kNames[] = {"cosine", "l2", "inner_product"};

}  // namespace

std::string_view VectorMetricName(VectorMetric metric) {
  return kNames[static_cast<size_t>(metric)];
}

Result<VectorMetric> VectorMetricFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<VectorMetric>(i);
  }
  return Status::Invalid("there is no metric '", ShortText(name), "'",
                         Suggest(name, {kNames, kNames + std::size(kNames)}));
}

}  // namespace tercet
