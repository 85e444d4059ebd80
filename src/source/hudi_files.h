#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "source/hudi_timeline.h"

namespace tercet {

/// The Parquet files whose rows together are a Hudi table as of one of its completed writes: of
/// each file group that counts then, the newest base file.
///
/// KeyError when one of them was cleaned away since; NotImplemented when rows of a merge-on-read
/// table wait in log files, which Hudi merges by the code of the table's record payload.
Result<std::vector<std::string>> HudiFilesAsOf(FileSystem* file_system,
                                               const HudiTimeline& timeline,
                                               const HudiInstant& write);

}  // namespace tercet
