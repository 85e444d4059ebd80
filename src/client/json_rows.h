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

namespace tercet {

/// Rows as JSON, for people and for clients without Arrow. Numbers are numbers; NaN and infinities
/// are the texts "NaN", "Infinity", "-Infinity"; timestamps and dates are ISO 8601 (timestamps are
/// also read as integer microseconds since the epoch); decimals are texts; binary is base64; lists
/// are arrays; times of day and durations are integers of their type's unit.

/// An array of `type`; `values[i]` may be null for a null. TypeError for a value that does not
/// fit, naming `column` and the value.
Result<std::shared_ptr<arrow::Array>> ArrayFromJson(std::string_view column,
                                                    const std::shared_ptr<arrow::DataType>& type,
                                                    const std::vector<const json::value*>& values);

/// Rows from {"origin": "JFK"} or [{"origin": "JFK"}, …], with the types of `known`'s columns. The
/// batch has the columns that appear, in the order of `known`; a member that a row leaves out is
/// null. KeyError with a suggestion for a member that is not known. `noun` names a row in errors.
Result<std::shared_ptr<arrow::RecordBatch>> RowsFromJson(std::string_view noun,
                                                         const json::value& rows,
                                                         const arrow::Schema& known);

/// The cells of a row that has exactly the columns of `known`; numbers are put into `numbers`,
/// texts stay where they are. False for anything that this short way is not for, also what does
/// not fit: RowsFromJson takes it or says why not.
bool CellsFromJson(const json::object& row, const arrow::Schema& known, std::vector<Cell>* cells,
                   std::vector<uint64_t>* numbers);

/// Appends a JSON string with its quotes.
void AppendJsonText(std::string_view text, std::string* out);
/// Appends the shortest text that reads back as the same double.
void AppendJsonNumber(double value, std::string* out);

/// Appends one value; of a cell type where a cell is given.
void AppendJsonCell(const arrow::Array& array, int64_t row, std::string* out);
void AppendJsonCell(const arrow::DataType& type, const Cell& cell, std::string* out);
/// Appends {"column": value, …}; of cells, one a column.
void AppendJsonRow(const arrow::Schema& schema, std::span<const Cell> cells, std::string* out);
void AppendJsonRow(const arrow::RecordBatch& batch, int64_t row, std::string* out);

/// A value as people read it in a table: like its JSON, without quotes; a null is "".
std::string CellText(const arrow::Array& array, int64_t row);

}  // namespace tercet
