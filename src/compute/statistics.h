#pragma once

#include <arrow/table.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Per column: {"count" (of values), "nulls", "distinct" (exact up to 10,000, then
/// "distinct_estimate" by HyperLogLog), and for numbers "mean", "std" (sample), "min", "max",
/// "quantiles" {"0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99"}, "histogram" {"edges",
/// "counts"} of twenty bins, all of the finite values, with "nans" and "infinite" counted where
/// there are some; for bools "true", "false", "mean"; for strings "min_length", "max_length" (in
/// characters) and, while distinct is exact, "top" [[value, count] …] of ten; for times "min",
/// "max" as ISO text}. What has no value is left out. Other types have counts only. Column order
/// of the table. Deterministic, and independent of the table's chunks.
Result<json::object> Describe(const arrow::Table& table);

}  // namespace tercet
