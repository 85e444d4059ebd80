#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "offline/action.h"
#include "offline/table_state.h"

namespace tercet {

/// Whether commits to the table must give its rows ids: it has Delta's feature `rowTracking`, and
/// that is not suspended.
bool TracksRows(const TableState& state);

/// Gives the files that a commit of `version` brings ids for their rows, above all that were given
/// before, and notes the highest. Files that are added again keep theirs. Rows that are copied get
/// new ids: the commit has to say so (RowsKeepIds). Invalid when the table's count of ids can't be
/// read, or a file has no count of rows.
Status AssignRowIds(const TableState& state, int64_t version, std::vector<Action>* actions);

/// Whether every row that was there before the commit has the id that it had: none was copied.
bool RowsKeepIds(const std::vector<Action>& actions);

}  // namespace tercet
