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
///   small decimals → decimal128, lists → list of the stored element.

/// The type that a column of `logical` has in files. TypeError for what Delta can't keep: null,
/// struct, map, union, interval, decimals of more than 38 digits.
Result<std::shared_ptr<arrow::DataType>> StoredType(const arrow::DataType& logical);

/// The type that users see of a column made with `type`: itself, except that dictionaries become
/// their values' type and views plain text or bytes, which is how Arrow's kernels take them.
std::shared_ptr<arrow::DataType> LogicalType(const std::shared_ptr<arrow::DataType>& type);

/// Converts values between a logical type and its stored type, either way. Nothing is lost:
/// Invalid when a value does not fit (nanoseconds that are no whole microseconds). Equal types
/// share the buffers.
Result<std::shared_ptr<arrow::Array>> ConvertStored(const std::shared_ptr<arrow::Array>& array,
                                                    const std::shared_ptr<arrow::DataType>& to);

/// The name under which Arrow's Parquet reader and writer keep a column's field id.
inline constexpr std::string_view kFieldIdKey = "PARQUET:field_id";

/// A column as a foreign file has it as a column of type `to`: members of structs are found by
/// name, or with `by_id` by their field ids (kFieldIdKey), in whatever order they are; those that
/// the file lacks are null. Leaves become wider where the table's were widened since the file was
/// written. TypeError or Invalid for what does not fit.
Result<std::shared_ptr<arrow::Array>> FitColumn(const std::shared_ptr<arrow::Array>& array,
                                                const std::shared_ptr<arrow::DataType>& to,
                                                bool by_id);

/// The same values under a type of the same structure whose members have other names.
std::shared_ptr<arrow::Array> Rename(const std::shared_ptr<arrow::Array>& array,
                                     const std::shared_ptr<arrow::DataType>& to);

/// Whether two fields have the same field id.
bool SameFieldId(const arrow::Field& a, const arrow::Field& b);

/// Converts a user's values into a column of type `to` where the type itself promises that
/// nothing is lost (int32 into int64), or where that depends on values that all fit (int64 into
/// double, nanoseconds into microseconds). TypeError for other types, Invalid for a value.
Result<std::shared_ptr<arrow::Array>> Widen(const std::shared_ptr<arrow::Array>& array,
                                            const std::shared_ptr<arrow::DataType>& to);

}  // namespace tercet
