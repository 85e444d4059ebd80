#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include <arrow/type.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Event times [start, end) in microseconds.
struct SqlTimeRange {
  int64_t start_us = std::numeric_limits<int64_t>::min();
  int64_t end_us = std::numeric_limits<int64_t>::max();
};

/// The event time column of a table that a query names; null when it has none or is not ours.
using SqlEventTime =
    std::function<std::shared_ptr<arrow::Field>(const std::string& table)>;

/// For each table of a query, by its name there: rows of event times outside of the range can't
/// change the answer, so they need not be read. Tables that are not in the answer are read whole.
///
/// DuckDB's C interface tells a table of no filter, so this reads the query's syntax tree
/// (json_serialize_sql): what the WHERE clause of a SELECT over plain tables and joins compares
/// with constants. A table that is named twice gets the hull. The engine still filters each row,
/// so a range may be wider than need be, never narrower; as-of and positional joins, samples and
/// tables that are named by functions are left alone. `times` are the values of parameters.
/// Invalid for AT (…), which DuckDB would ignore.
Result<std::map<std::string, SqlTimeRange>> FindTimeRanges(
    const json::value& tree, const std::map<std::string, int64_t>& times,
    const SqlEventTime& event_time);

}  // namespace tercet
