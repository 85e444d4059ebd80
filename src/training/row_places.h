#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "compute/transformation.h"
#include "training/row_split.h"

namespace tercet {

struct RawPart;
class TableStore;

/// What became of the n rows of a dataset, for an engine that has the rows itself: which part each
/// went to, and by which parameters it is transformed.
struct RowPlaces {
  static constexpr uint8_t kNoPart = 255;
  std::vector<uint8_t> part;     ///< n: an index among the parts, or kNoPart
  std::vector<uint8_t> variant;  ///< n: an index among the variants
  /// The dataset's own transformations first. Then those of the folds of the part that they were
  /// fitted on, where some are supervised: its rows are encoded out of fold (cross_fit.h).
  std::vector<std::vector<FittedTransformation>> variants;
};

/// `parts`: of each its rows, among n. `fitting`: the part that was fitted on and its place in
/// `parts`; null where it is none of them. NotImplemented for more than 255 parts or variants.
Result<RowPlaces> PlacesOf(int64_t rows, const std::vector<RowIndices>& parts,
                           const std::vector<FittedTransformation>& fitted, const RawPart* fitting,
                           size_t fitting_place, int64_t seed, const TableStore& store);

}  // namespace tercet
