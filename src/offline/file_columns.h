#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"
#include "offline/action.h"
#include "offline/delta_schema.h"

namespace tercet {

/// Rows of all of a table's columns, of their logical types, as its files have them: of stored
/// types, under the names that the columns have in files. Invalid, naming the column, for a value
/// that can't be stored.
Result<std::shared_ptr<arrow::RecordBatch>> ToFileRows(const arrow::RecordBatch& rows,
                                                       const TableColumns& columns);

/// The names in files of these columns of the table.
std::vector<std::string> NamesInFiles(const std::vector<std::string>& names,
                                      const TableColumns& columns);

/// Gives new columns of a table with column mapping, and the members of structs in them, their ids
/// and names in files. `fields` are those of Delta's schema, the first `known` of which the table
/// has already; the highest id goes into the metadata's configuration.
Status MapNewColumns(size_t known, json::array* fields, Metadata* metadata);

}  // namespace tercet
