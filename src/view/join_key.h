#pragma once

#include <memory>
#include <string>

#include <arrow/chunked_array.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// OK when values of a left column can be looked for among a group's keys: equal types, or two
/// integer, text, floating-point, decimal, or timestamp types. TypeError names both.
Status CheckJoinKey(const std::string& left, const arrow::DataType& left_type,
                    const std::string& key, const arrow::DataType& key_type);

/// A left column as the type of a group's column; lists and maps by their items. A value that does
/// not fit is Invalid and names the column; TypeError when the types have nothing in common.
Result<std::shared_ptr<arrow::ChunkedArray>> CastColumn(
    const std::string& name, const std::shared_ptr<arrow::ChunkedArray>& column,
    const std::shared_ptr<arrow::DataType>& type);
Result<std::shared_ptr<arrow::Array>> CastColumn(const std::string& name,
                                                 const std::shared_ptr<arrow::Array>& column,
                                                 const std::shared_ptr<arrow::DataType>& type);

}  // namespace tercet
