#pragma once

#include <memory>
#include <string_view>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"

namespace tercet {

/// Rows as other scoring servers take them, read with the types of `known` (a deployment's columns,
/// those that it needs first). KeyError with a suggestion for a column that is not known, Invalid
/// or TypeError for what is malformed.

/// {"instances": […]}: each an object, a list of values in the order of `needed`, or, where one
/// column is needed, a value.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOfInstances(std::string_view noun,
                                                            const json::value& instances,
                                                            const arrow::Schema& needed,
                                                            const arrow::Schema& known);

/// The object of `/invocations` in JSON: exactly one of "dataframe_split" ({"columns", "data"};
/// without columns, or with numbers from 0 on, in the order of `needed`), "dataframe_records",
/// "instances" and "inputs" (rows as in "instances", or {"column": [values]}).
Result<std::shared_ptr<arrow::RecordBatch>> RowsOfInvocation(std::string_view noun,
                                                             const json::object& body,
                                                             const arrow::Schema& needed,
                                                             const arrow::Schema& known);

/// The body of `/invocations` in JSON: such an object, or the list of "instances" alone.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOfInvocation(std::string_view noun,
                                                             std::string_view body,
                                                             const arrow::Schema& needed,
                                                             const arrow::Schema& known);

/// An instance a line, as in "instances", or {"features": [values]}; empty lines are left out.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOfJsonLines(std::string_view noun,
                                                            std::string_view text,
                                                            const arrow::Schema& needed,
                                                            const arrow::Schema& known);

/// Comma-separated values under a line of column names; an empty value is a null. There is no such
/// line where the first has as many values as `needed` has columns, none of them a name, and a
/// number where a number is needed.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOfCsv(std::string_view noun, std::string_view text,
                                                      const arrow::Schema& needed,
                                                      const arrow::Schema& known);

/// An array in NumPy's format: a row of values in the order of `needed` a row of it. Of one
/// dimension it is one row or, where one column is needed, a value a row.
Result<std::shared_ptr<arrow::RecordBatch>> RowsOfNpy(std::string_view noun, std::string_view bytes,
                                                      const arrow::Schema& needed,
                                                      const arrow::Schema& known);

}  // namespace tercet
