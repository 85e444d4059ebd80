#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <arrow/array/data.h>

#include "online/row_layout.h"

namespace tercet {

/// The value of a kBytes or kNested slot within a row's bytes, whose size is at least the layout's
/// fixed_end. nullopt when its ends don't fit: the row is corrupt.
std::optional<std::string_view> VariableBytes(const RowSlot& slot, uint32_t fixed_end,
                                              std::string_view row);

/// One column of strings, binary, lists, structs or maps. A value whose data() is null is a null.
/// IOError when a nested value's bytes are corrupt, CapacityError when a column's bytes exceed its
/// offsets' width.
Result<std::shared_ptr<arrow::ArrayData>> GatherVariable(
    const std::shared_ptr<arrow::DataType>& type,
    std::span<const std::string_view> values);

}  // namespace tercet
