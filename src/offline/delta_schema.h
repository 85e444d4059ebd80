#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type.h>

#include "base/result.h"
#include "offline/action.h"

namespace tercet {

/// The configuration entries that are ours.
inline constexpr std::string_view kArrowSchemaProperty = "tercet.arrow_schema";
inline constexpr std::string_view kLayoutProperty = "tercet.layout";
inline constexpr std::string_view kDefaultsProperty = "tercet.defaults";
inline constexpr std::string_view kTtlHistoryProperty = "tercet.ttl_history";
/// Delta's own: how columns are found in files.
inline constexpr std::string_view kMappingModeProperty = "delta.columnMapping.mode";
inline constexpr std::string_view kMaxColumnIdProperty = "delta.columnMapping.maxColumnId";

/// How a table's columns are found in its files.
enum class ColumnMapping { kNone, kByName, kById };

/// The columns of a table, as users see them and as files keep them (offline/stored_type.h).
struct TableColumns {
  std::shared_ptr<arrow::Schema> logical;
  std::shared_ptr<arrow::Schema> stored;  ///< equal names and order
  std::vector<std::string> partition_columns;  ///< only in tables that another engine made
  /// The stored columns by the names that they have in files, members of structs too, and with
  /// their Parquet field ids. The same as `stored` without mapping.
  std::shared_ptr<arrow::Schema> physical;
  ColumnMapping mapping = ColumnMapping::kNone;
  /// Those that another engine added to a table of ours.
  std::vector<std::string> added_elsewhere;
};

/// The columns of a new table with this Arrow schema. Invalid for bad or repeated names (Delta's
/// names are told apart without regard to case), TypeError for types that can't be kept; both
/// name the column.
Result<TableColumns> ColumnsOf(const arrow::Schema& schema);

/// The columns that a table's metadata declares. Where the remembered Arrow type still fits the
/// declared one it is used, otherwise the type that Delta's is by nature: structs, maps and lists
/// of any depth too, and null for `void`. NotImplemented for a type that Arrow has not (variant).
Result<TableColumns> ColumnsOf(const Metadata& metadata);

/// Delta's schema text (JSON). Columns in `not_null` are declared so.
std::string ToDeltaSchema(const TableColumns& columns, const std::vector<std::string>& not_null);

/// The Arrow schema as text for `tercet.arrow_schema`: base64 of its IPC message, which keeps
/// every type exactly.
Result<std::string> ArrowSchemaToText(const arrow::Schema& schema);

/// True when a column is a timestamp without zone, which Delta has as a feature of its own.
bool NeedsTimestampNtz(const arrow::Schema& stored);

}  // namespace tercet
