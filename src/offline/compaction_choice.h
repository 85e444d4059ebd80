#pragma once

#include <cstdint>
#include <vector>

#include "offline/data_file.h"
#include "offline/run_writer.h"

namespace tercet {

/// Runs of less rows are merged, however they lie.
int64_t SmallRunRows(const RunLayout& layout);

/// Which of a table's files a compaction merges, older rows first; none when all is well. `files`
/// are all of them, older rows first. Takes n log n steps.
///
/// The merged rows become as young as the youngest of them, so a file in between that overlaps with
/// an older one of them is merged too: its rows would lose to older ones.
std::vector<DataFilePtr> FilesToCompact(const std::vector<DataFilePtr>& files,
                                        const RunLayout& layout);

}  // namespace tercet
