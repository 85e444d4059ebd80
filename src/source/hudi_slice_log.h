#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/buffer.h>

#include "base/file_system.h"
#include "base/result.h"
#include "source/hudi_files.h"
#include "source/hudi_log.h"
#include "source/hudi_timeline.h"

namespace tercet {

/// A block, and the file that its content lies in.
struct HudiPlacedBlock {
  HudiLogBlock block;
  std::shared_ptr<arrow::Buffer> bytes;
  std::string path;
};

/// The blocks of a slice's log files that count as of a write, in the order in which they do: of
/// writes that were completed and not rolled back; where one block was made of several writes', it
/// stands in for them. Errors name the file and the block's offset.
Result<std::vector<HudiPlacedBlock>> ReadHudiSliceLog(FileSystem* file_system,
                                                      const HudiTimeline& timeline,
                                                      const HudiSlice& slice,
                                                      const std::string& as_of);

}  // namespace tercet
