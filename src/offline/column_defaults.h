#pragma once

#include <string>

#include "offline/action.h"
#include "offline/table.h"

namespace tercet {

/// How default values are kept in a table's configuration (`tercet.defaults`): base64 of an Arrow
/// IPC stream of one row, so that every type is kept exactly. Delta's own column defaults are a
/// writer feature that delta-rs refuses, and say nothing of rows that are there already.
Result<std::string> DefaultsToText(const ColumnDefaults& defaults);

/// The defaults that a table's metadata has, of the columns of `schema` as they are now. Invalid
/// when they can't be understood.
Result<ColumnDefaults> DefaultsOf(const Metadata& metadata, const arrow::Schema& schema);

}  // namespace tercet
