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
/// characters) and, while distinct is exact and the different texts have no more than 4 MiB in all,
/// "top" [[value, count] …] of ten; for times "min",
/// "max" as ISO text}. What has no value is left out. Other types have counts only. Column order
/// of the table. Quantiles and histograms are exact up to 16,384 values, then those of a sketch
/// (quantile_sketch.h). Deterministic, and independent of the table's chunks: rows are summed up
/// 2^20 at a time (column_summary.h).
Result<json::object> Describe(const arrow::Table& table);

/// Pearson's correlation of each pair of numeric columns, over the rows where both have a finite
/// value: column → {other: r}. Left out where one is constant or they share less than two rows.
/// Of at most 100 columns, the first, and of at most 100,000 rows, evenly spaced: r is off by less
/// than 0.004 then (its standard error is (1 − r²) ÷ √rows).
Result<json::object> Correlations(const arrow::Table& table);

}  // namespace tercet
