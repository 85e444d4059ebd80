#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/result.h"
#include "offline/feature_tables.h"

namespace tercet {

/// A column of a feature group: ("weather@1", "temp").
using GroupColumn = std::pair<std::string, std::string>;

/// What the columns of a query's answer are made of.
struct SqlColumns {
  /// Column of the answer → the columns whose values it is computed from. Where these can't be told
  /// from those that decide on rows, all of them; of a constant, the first column of its table,
  /// which is read to count rows.
  std::map<std::string, std::set<GroupColumn>> columns;
  std::set<GroupColumn> rows;  ///< that decide which rows there are: filters, joins, groupings
};

/// Finds them by asking the planner: for each column of the answer, which columns of which tables
/// would be read if the query gave that column alone. So joins, subqueries and functions are
/// followed as the query is run, and no table is read. Costs a planning a column. Errors are
/// QuerySql's.
Result<SqlColumns> FindSqlColumns(FeatureTables* tables, const std::string& query,
                                  const std::map<std::string, int64_t>& times);

}  // namespace tercet
