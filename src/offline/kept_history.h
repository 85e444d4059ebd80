#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/file_system.h"
#include "offline/table.h"

namespace tercet {

/// The property that says from which commit on a table keeps its history; a table that kept it
/// from the start has none.
inline constexpr std::string_view kHistorySinceProperty = "tercet.history_since";

/// From which commit on all are kept: 0 where nothing is said. IOError for what is no number.
Result<int64_t> HistorySince(const std::map<std::string, std::string>& properties);

/// The oldest commit of which, and of all after which, every data file is there still. Looks for
/// each file that any of them had.
Result<int64_t> OldestWholeCommit(FileSystem* file_system, Table* table);

}  // namespace tercet
