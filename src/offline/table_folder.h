#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "offline/action.h"
#include "offline/table_state.h"

namespace tercet {

/// A file that no commit names is left by a killed writer when it is older than this. A write that
/// takes longer from its last file to its commit may lose its files: nothing tells them apart.
inline constexpr int64_t kOrphanAgeUs = 24LL * 3600 * 1'000'000;

/// All files of a table's folder with paths relative to it (in `name`), its `_change_data`
/// included; the log, and what other engines keep in folders that begin with '_' or '.', left out.
Result<std::vector<FileInfo>> ListTableFiles(FileSystem* file_system,
                                             const std::string& table_path);

/// Adds the files that actions name (data, vectors, changes), and those of removals where
/// `removed`. Invalid for a path outside of the table.
Status AddNamedFiles(const std::vector<Action>& actions, bool removed,
                     std::set<std::string>* paths);

/// Adds the files that a reader of the state needs.
Status AddLiveFiles(const TableState& state, std::set<std::string>* paths);

}  // namespace tercet
