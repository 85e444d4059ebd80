#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

#include "base/cell.h"
#include "base/json.h"
#include "base/rows_to_json.h"

namespace tercet {

/// Rows from JSON as base/rows_to_json.h writes it; timestamps are also read as integer
/// microseconds since the epoch.

/// An array of `type`; `values[i]` may be null for a null. TypeError for a value that does not
/// fit, naming `column` and the value.
Result<std::shared_ptr<arrow::Array>> ArrayFromJson(std::string_view column,
                                                    const std::shared_ptr<arrow::DataType>& type,
                                                    const std::vector<const json::value*>& values);

/// A number or a text as a cell of `type`, the number put into `number`, the text where it stays; a
/// null as that. False for what is left to ArrayFromJson, which takes it or says why not.
bool CellFromJson(const json::value& value, arrow::Type::type type, uint64_t* number, Cell* cell);

/// Rows from {"origin": "JFK"} or [{"origin": "JFK"}, …], with the types of `known`'s columns. The
/// batch has the columns that appear, in the order of `known`; a member that a row leaves out is
/// null. KeyError with a suggestion for a member that is not known. `noun` names a row in errors.
Result<std::shared_ptr<arrow::RecordBatch>> RowsFromJson(std::string_view noun,
                                                         const json::value& rows,
                                                         const arrow::Schema& known);

/// The cells, row by row, of {"a": 1} or [{"a": 1}, …] of 1 to `most` rows that each have exactly
/// the columns of `known`; numbers are put into `numbers`, texts stay where they are. False for
/// anything that this short way is not for, also what does not fit: RowsFromJson takes it or says
/// why not.
bool CellsFromJson(const json::value& rows, const arrow::Schema& known, size_t most,
                   std::vector<Cell>* cells, std::vector<uint64_t>* numbers);

}  // namespace tercet
