#pragma once

#include <memory>
#include <string_view>

#include <arrow/array.h>
#include <arrow/type.h>

#include "base/result.h"

namespace tercet {

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
/// double, nanoseconds into microseconds). TypeError for other types, Invalid for a value; a column
/// of nulls alone may have any type.
///
/// The members of a struct are found by name; those that it lacks are null, others than those of
/// `to` are an error. Where libraries write one thing in two ways, both are taken: a struct for a
/// map (its members that are not null), a map of texts for a struct, a list of {key, value} for a
/// map.
Result<std::shared_ptr<arrow::Array>> Widen(const std::shared_ptr<arrow::Array>& array,
                                            const std::shared_ptr<arrow::DataType>& to);

}  // namespace tercet
