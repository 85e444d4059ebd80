#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "source/hudi_timeline.h"

namespace tercet {

/// A file group as of a write.
struct HudiSlice {
  std::string base;               ///< its newest base file, in Parquet; empty: it has none yet
  std::vector<std::string> logs;  ///< with changes to that, in the order in which they count
};

/// The slices whose rows together are a Hudi table as of one of its completed writes: of each file
/// group that counts then, the newest base file, and the log files that are not merged into it.
/// Blocks of writes that don't count may be in those.
///
/// KeyError when a base file was cleaned away since; NotImplemented when it is not known whether a
/// log file was merged, because the write of it was archived.
Result<std::vector<HudiSlice>> HudiSlicesAsOf(FileSystem* file_system,
                                              const HudiTimeline& timeline,
                                              const HudiInstant& write);

}  // namespace tercet
