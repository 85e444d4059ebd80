#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <arrow/record_batch.h>

#include "base/cell.h"

namespace tercet {

/// Rows as JSON, for people and for programs without Arrow. Numbers are numbers; NaN and infinities
/// are the texts "NaN", "Infinity", "-Infinity"; timestamps and dates are ISO 8601; decimals are
/// texts; binary is base64; lists are arrays; times of day and durations are integers of their
/// type's unit.

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
