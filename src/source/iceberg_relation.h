#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include <arrow/table.h>

#include "base/result.h"
#include "source/iceberg_plan.h"
#include "source/iceberg_rows.h"

namespace tercet {

/// Rows in SQL.
struct IcebergRelation {
  std::string text;  ///< after FROM
  /// What the text calls feature_group('files0') and so on: what SQL has to know of files.
  std::map<std::string, std::shared_ptr<arrow::Table>> tables;
  /// And feature_group('rows0') and so on: files whose rows DuckDB doesn't read.
  std::map<std::string, IcebergRowFiles> rows;
};

/// The rows of a snapshot as one relation of SQL with the snapshot's columns, without the files
/// that have no event time in [start, end). Filters and the choice of columns reach the files.
/// `vectors` is a relation with the columns `file` (an index of plan.data) and `position`: what
/// the plan's deletion vectors delete; named only where there are some.
///
/// Deletes by equality are an anti join on their columns, in which null equals null, and on the
/// sequence numbers: a row goes when it was there before the newest delete of its values.
///
/// NotImplemented where a column's values are in the names of partitions alone and of a type that
/// is not read there.
Result<IcebergRelation> RelationOf(const IcebergPlan& plan, const std::string& vectors,
                                   std::optional<int64_t> start_us = std::nullopt,
                                   std::optional<int64_t> end_us = std::nullopt);

}  // namespace tercet
