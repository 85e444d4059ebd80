#pragma once

#include <memory>
#include <string_view>

#include <arrow/array.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

/// How Arrow types live in Delta's narrower type system. A column has a logical type, which users
/// see and which the table's configuration remembers, and a stored type, which the Parquet files
/// have and which other engines see:
///
///   uint8 → int16, uint16 → int32, uint32 → int64, uint64 → decimal(20, 0), float16 → float,
///   large strings → string, fixed-size binary → binary, date64 → date32,
///   time and duration → int64 (in their own unit), timestamps → microseconds (in UTC if zoned),
///   small decimals → decimal128; lists, structs and maps of any depth → those of stored values.

/// The type that a column of `logical` has in files. TypeError for what is no feature
/// (catalog/feature_type.h), and for decimals of more than 38 digits.
Result<std::shared_ptr<arrow::DataType>> StoredType(const arrow::DataType& logical);

/// The type that users see of a column made with `type`: itself, except that dictionaries and
/// run-end-encoded values become their values' type, extensions their storage and views plain text,
/// bytes and lists, which is how Arrow's kernels take them. Members of structs may be null.
std::shared_ptr<arrow::DataType> LogicalType(const std::shared_ptr<arrow::DataType>& type);

/// Converts values between a logical type and its stored type, either way. Nothing is lost:
/// Invalid when a value does not fit (nanoseconds that are no whole microseconds). Equal types
/// share the buffers.
Result<std::shared_ptr<arrow::Array>> ConvertStored(const std::shared_ptr<arrow::Array>& array,
                                                    const std::shared_ptr<arrow::DataType>& to);

}  // namespace tercet
