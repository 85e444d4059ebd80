#pragma once

#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "training/part_maker.h"

namespace tercet {

/// Part → column → statistics (compute/statistics.h) of the features before transformation and of
/// the labels, with "correlations" {column: r} of numbers. Columns are summed up by many threads,
/// and the answer does not depend on how many. Memory: a million values of as many columns as there
/// are threads; for correlations a hundred thousand values of each column of one part.
Result<json::object> StatisticsOf(const std::vector<RawPart>& parts);

}  // namespace tercet
