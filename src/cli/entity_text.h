#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/result.h"

namespace tercet {

/// One entity from "key=value" words. A value that reads as a number or as true or false is one;
/// quotes keep it text ("code='007'"). Invalid for a word without '='.
Result<std::shared_ptr<arrow::RecordBatch>> EntityOf(const std::vector<std::string>& words);

}  // namespace tercet
