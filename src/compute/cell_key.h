#pragma once

#include <span>
#include <string>

#include <arrow/type.h>

#include "base/cell.h"

namespace tercet {

/// Whether keys with a column of this type can be made from cells.
bool IsCellKeyType(const arrow::DataType& type);

/// Appends the byte form of one key (SortKeys::ToBytes) from the cells of its columns, none null.
/// `types` are the columns', of cell key types.
void AppendCellKey(std::span<const arrow::Type::type> types, std::span<const Cell> cells,
                   std::string* out);

}  // namespace tercet
