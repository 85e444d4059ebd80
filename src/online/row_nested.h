#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <arrow/array.h>

#include "base/result.h"

namespace tercet {

/// Values of lists, structs and maps in a row's bytes. They are made of *sequences*: n values of
/// one type, column by column as in Arrow, so that a list of structs is as compact as the lists of
/// their members.
///
///     sequence  validity, one bit a value, lowest bit first, whole bytes; then of
///               numbers, dates, times …  the values in a row, nulls as zeros
///               booleans                 a byte each
///               strings, binary          uint32 ends, then the bytes
///               structs                  a sequence of n values a member
///               lists                    uint32 ends, then a sequence of all elements
///               lists of fixed size      a sequence of all elements, of nulls too
///               maps                     uint32 ends, then those of all keys and of all values
///     a list    uint32 count, then the sequence of its elements
///     others    the sequence of the one value
///
/// What is null has nothing in it: its list is empty, its members and elements are null.

/// Whether a row can keep values of the type, at any depth.
bool IsKeptInRows(const arrow::DataType& type);

/// Bytes of a value of a type of fixed width; 0 for booleans and all others.
uint32_t FixedWidthOf(const arrow::DataType& type);

/// The bytes of string and binary arrays of any kind.
std::string_view BytesAt(const arrow::Array& array, int64_t i);
const uint8_t* FixedAt(const arrow::Array& array, int64_t i, uint32_t width);

/// Appends row `i`, which is not null, of a list, struct or map array.
void AppendNested(const arrow::Array& array, int64_t i, std::string* out);

/// A column of lists, structs or maps; a value whose data() is null is a null. IOError where bytes
/// are corrupt, CapacityError when there are more elements than the offsets count.
Result<std::shared_ptr<arrow::ArrayData>> GatherNested(
    const std::shared_ptr<arrow::DataType>& type, std::span<const std::string_view> values);

/// Appends to a builder of strings or binary of any kind.
Status AppendBytes(const arrow::DataType& type, std::string_view value,
                   arrow::ArrayBuilder* builder);

}  // namespace tercet
