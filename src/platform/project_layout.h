#pragma once

#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/result.h"

namespace tercet {

/// What is where in a project's directory:
///
///     project.json                          format and time of creation
///     catalog.sqlite                        names, versions, lineage
///     feature_groups/NAME/VERSION/          a Delta table
///     online/                               RocksDB, the owner's lock
///     training_datasets/VIEW/VERSION/       a spine
///     models/NAME/VERSION/                  a model's files
struct ProjectLayout {
  std::string root;  ///< absolute

  std::string catalog() const { return JoinPath(root, "catalog.sqlite"); }
  std::string online() const { return JoinPath(root, "online"); }
};

/// Opens or creates the directory of a project. IOError when the directory can't be written, has
/// other things in it and no project.json, or is of a newer format.
Result<ProjectLayout> OpenProjectDirectory(FileSystem* file_system, const std::string& directory,
                                           const Clock* clock);

}  // namespace tercet
