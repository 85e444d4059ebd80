#pragma once

#include <arrow/table.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Per column: {"count", "nulls", "distinct" (exact up to 10,000, then "distinct_estimate" by
/// HyperLogLog), and for numbers "mean", "std" (sample), "min", "max", "quantiles" {"0.25", "0.5",
/// "0.75", …}, "histogram" {"edges", "counts"} of twenty bins; for strings "min_length",
/// "max_length", "top" [[value, count] …] of ten; for times "min", "max" as ISO text}. Column order
/// of the table. Deterministic.
Result<json::object> Describe(const arrow::Table& table);

}  // namespace tercet
